import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topologicalOrder } from '../../src/domain/graph.ts';
import { findCycles } from '../../src/project/find-cycles.ts';
import { code, metadataOf, readDaily, told } from './support/project-folder.ts';

const files = { 'custom/any.py': code };

test('upstream_blocks decides who waits for whom; downstream follows from it', async () => {
  const daily = await readDaily(metadataOf({ a: [], b: ['a'], c: ['a'], d: ['c', 'b'] }), files);
  expect(daily.definition.blocks.map((block) => [block.uuid, block.upstreamBlocks, block.downstreamBlocks])).toEqual([
    ['a', [], ['b', 'c']],
    ['b', ['a'], ['d']],
    ['c', ['a'], ['d']],
    ['d', ['c', 'b'], []],
  ]);
  expect(told(daily.problems)).toEqual([]);
});

test('a cycle is named in the direction of the data', async () => {
  const daily = await readDaily(metadataOf({ start: [], a: ['start', 'b'], b: ['a'] }), files);
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(
      /^error .*metadata.yaml:\d These blocks wait for each other: (a → b → a|b → a → b)\. Remove one/,
    ),
  ]);
  const self = await readDaily(metadataOf({ a: ['a'] }), files);
  expect(told(self.problems)).toEqual([expect.stringContaining('wait for each other: a → a.')]);
});

test('an unknown upstream, a uuid given twice and a block without one are errors with their lines', async () => {
  const daily = await readDaily(
    `blocks:
- {uuid: a, type: custom}
- uuid: b
  type: custom
  upstream_blocks: [a, nobody]
- {uuid: a, type: custom}
- {type: custom}
- {uuid: c}
`,
    { 'custom/a.py': code, 'custom/b.py': code },
  );
  expect(told(daily.problems).map((line) => line.replace('error pipelines/daily/metadata.yaml:', ''))).toEqual([
    '7 This block has no uuid. Give it one, unique in the pipeline: "uuid: load_sales".',
    '8 This block has no type. Add one: "type: data_loader", transformer, data_exporter, custom or sensor.',
    '6 The uuid "a" is already taken by the block on line 2. Give this one another.',
    '5 Block "b" names "nobody" as upstream, but the pipeline has no such block. Add the block, or remove the name.',
  ]);
  expect(daily.definition.blocks[1]?.upstreamBlocks).toEqual(['a']);
});

test('blocks that disagree about who is downstream are told so, and upstream_blocks is believed', async () => {
  const daily = await readDaily(
    `blocks:
- {uuid: a, type: custom, downstream_blocks: [b, c, nobody], configuration: {file_path: custom/any.py}}
- {uuid: b, type: custom, upstream_blocks: [a], configuration: {file_path: custom/any.py}}
- {uuid: c, type: custom, downstream_blocks: [tell], configuration: {file_path: custom/any.py}}
callbacks:
- {uuid: tell}
`,
    { ...files, 'callbacks/tell.py': code },
  );
  expect(daily.isRunnable).toBe(true);
  expect(told(daily.problems)).toEqual([
    expect.stringContaining('"a" names "c" as downstream, but "c" does not name it as upstream'),
    expect.stringContaining('"a" names "nobody" as downstream, but the pipeline has no such block'),
  ]);
  expect(daily.definition.blocks[0]?.downstreamBlocks).toEqual(['b']);
});

test('nobody waits for a block that is only shown', async () => {
  const daily = await readDaily(
    'blocks:\n- {uuid: note, type: markdown}\n- {uuid: a, type: custom, upstream_blocks: [note], configuration: {file_path: custom/any.py}}\n',
    files,
  );
  expect(daily.isRunnable).toBe(true);
  expect(daily.definition.blocks[1]?.upstreamBlocks).toEqual([]);
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(/^warning .*:3 Block "a" names the markdown block "note"/),
  ]);
});

test('conditionals and callbacks are attached from either side, once', async () => {
  const daily = await readDaily(
    `blocks:
- {uuid: a, type: custom, conditional_blocks: [c], callback_blocks: [k, nobody], configuration: {file_path: custom/any.py}}
- {uuid: b, type: custom, configuration: {file_path: custom/any.py}}
conditionals:
- {uuid: c, upstream_blocks: [a, b, gone]}
callbacks:
- {uuid: k, type: callback, language: python}
`,
    { ...files, 'conditionals/c.py': '# c', 'callbacks/k.py': '# k' },
  );
  const [a, b] = daily.definition.blocks;
  expect([a?.conditionals, a?.callbacks, b?.conditionals, b?.callbacks]).toEqual([['c'], ['k'], ['c'], []]);
  expect(daily.definition.conditionals).toMatchObject([{ uuid: 'c', type: 'conditional', code: '# c' }]);
  expect(daily.definition.callbacks).toMatchObject([{ uuid: 'k', type: 'callback', code: '# k' }]);
  expect(told(daily.problems).join('\n')).toContain(
    'The conditional "c" is attached to "gone", but the pipeline has no such block.',
  );
  expect(told(daily.problems).join('\n')).toContain(
    'Block "a" names the callback "nobody", but the pipeline has none of that name.',
  );
});

const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc
      .array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 4 }), { minLength: size, maxLength: size })
      .map((upstream) => new Map(upstream.map((above, key) => [key, above]))),
  );

test('a cycle is found exactly when there is no order to run in, and every cycle told is one', () => {
  fc.assert(
    fc.property(graphs, (upstream) => {
      const cycles = findCycles(upstream);
      expect(cycles.length > 0).toBe(topologicalOrder(upstream) === null);
      for (const cycle of cycles) {
        expect(new Set(cycle).size).toBe(cycle.length);
        cycle.forEach((key, index) => {
          const next = cycle[(index + 1) % cycle.length]!;
          expect(upstream.get(next)).toContain(key);
        });
      }
    }),
  );
});

test('a chain of ten thousand blocks is checked like any other', () => {
  const upstream = new Map(Array.from({ length: 10_000 }, (_, key) => [key, key === 0 ? [9_999] : [key - 1]]));
  expect(findCycles(upstream)[0]).toHaveLength(10_000);
});
