import { expect, test } from 'vitest';
import { code, readDaily, told } from './support/project-folder.ts';

const files = { 'custom/a.py': code, 'custom/a.sql': 'select 1', 'conditionals/c.py': code, 'callbacks/k.py': code };

test.for([
  ['a SQL block', 'blocks: [{uuid: a, type: custom, language: sql}]', /Block "a" is written in "sql"/],
  ['an R block', 'blocks: [{uuid: a, type: custom, language: r}]', /Block "a" is written in "r"/],
  ['an unheard-of language', 'blocks: [{uuid: a, type: custom, language: cobol}]', /Block "a" is written in "cobol"/],
  ['a dbt block', 'blocks: [{uuid: a, type: dbt, language: yaml}]', /Block "a" is of type "dbt"/],
  ['a global data product', 'blocks: [{uuid: a, type: global_data_product}]', /of type "global_data_product"/],
  ['an unheard-of type', 'blocks: [{uuid: a, type: extension}]', /Block "a" is of type "extension"/],
  ['a dynamic block', 'blocks: [{uuid: a, type: custom, configuration: {dynamic: true}}]', /Block "a" is dynamic/],
  [
    'a dynamic block, newer form',
    'blocks: [{uuid: a, type: custom, configuration: {dynamic: {parent: true}}}]',
    /dynamic/,
  ],
  [
    'a conditional in SQL',
    'blocks: [{uuid: a, type: custom, conditional_blocks: [c]}]\nconditionals: [{uuid: c, type: conditional, language: sql}]',
    /The conditional "c" is written in "sql"/,
  ],
  [
    'a callback in R, attached from its side',
    'blocks: [{uuid: a, type: custom}]\ncallbacks: [{uuid: k, type: callback, language: r, upstream_blocks: [a]}]',
    /The callback "k" is written in "r"/,
  ],
  ['a streaming pipeline', 'type: streaming\nblocks: [{uuid: a, type: custom}]', /A pipeline of type "streaming"/],
  [
    'an integration pipeline',
    'type: integration\nblocks: [{uuid: a, type: custom}]',
    /A pipeline of type "integration"/,
  ],
  ['an unheard-of pipeline type', 'type: quantum\nblocks: [{uuid: a, type: custom}]', /A pipeline of type "quantum"/],
] as const)('%s is shown, and refused with a sentence', async ([, metadata, reason]) => {
  const daily = await readDaily(metadata, files);
  expect(daily.isRunnable).toBe(false);
  expect(daily.definition.blocks.map((block) => block.uuid)).toEqual(['a']);
  const errors = daily.problems.filter((problem) => problem.severity === 'error');
  expect(told(errors)).toEqual([expect.stringMatching(reason)]);
  expect(errors[0]).toMatchObject({
    line: expect.any(Number),
    message: expect.stringContaining('not run by this version'),
  });
});

test.for(['data_loader', 'transformer', 'data_exporter', 'custom', 'sensor'])('a %s runs', async (type) => {
  const folder = type === 'custom' ? 'custom' : `${type}s`;
  for (const [language, ending] of [
    ['python', 'py'],
    ['typescript', 'ts'],
    ['javascript', 'js'],
  ]) {
    const daily = await readDaily(`blocks: [{uuid: a, type: ${type}, language: ${language}}]`, {
      [`${folder}/a.${ending}`]: code,
    });
    expect(told(daily.problems)).toEqual([]);
  }
});

test('attached conditionals and callbacks run', async () => {
  const daily = await readDaily(
    'blocks: [{uuid: a, type: custom, conditional_blocks: [c]}]\nconditionals: [{uuid: c, type: conditional}]\ncallbacks: [{uuid: k, type: callback, upstream_blocks: [a]}]',
    files,
  );
  expect(told(daily.problems)).toEqual([]);
  expect(daily.definition.blocks[0]).toMatchObject({ conditionals: ['c'], callbacks: ['k'] });
});

test('a conditional without its file is an error that says where it is looked for', async () => {
  const daily = await readDaily(
    'blocks: [{uuid: a, type: custom, conditional_blocks: [c]}]\nconditionals: [{uuid: c, type: conditional}]',
    { 'custom/a.py': code },
  );
  expect(told(daily.problems)).toEqual([expect.stringMatching(/conditionals\/c\.py/)]);
});

test('switches that say "not dynamic" are no hindrance, nor is an unattached conditional', async () => {
  const daily = await readDaily(
    'blocks: [{uuid: a, type: custom, configuration: {dynamic: false, reduce_output: true}}, {uuid: b, type: custom, configuration: {dynamic: {parent: false}, file_path: custom/a.py}}]\nconditionals: [{uuid: c, type: conditional}]',
    files,
  );
  expect(told(daily.problems)).toEqual([]);
});

test('blocks meant for Kubernetes run here, and the pipeline says so once', async () => {
  const daily = await readDaily(
    'blocks:\n- {uuid: a, type: custom, executor_type: k8s}\n- {uuid: b, type: custom, executor_type: k8s, configuration: {file_path: custom/a.py}}\n',
    files,
  );
  expect(daily.isRunnable).toBe(true);
  expect(told(daily.problems)).toEqual([expect.stringMatching(/^warning .*:2 executor_type k8s \(2 blocks\)/)]);
});
