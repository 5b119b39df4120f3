import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

/** What a downstream block sees, as Python shows it. */
async function seenDownstream(returned: string, before = ''): Promise<unknown> {
  const input = await house.input('up', `${before}\n@custom\ndef f():\n    return ${returned}`);
  const { outcome } = await house.run('@custom\ndef f(x): return repr(x)', { inputs: [roundTrip(input)] });
  if (outcome.status !== 'completed') throw new Error(JSON.stringify(outcome));
  return values(outcome)[0];
}

/** Manifests travel as jsonb through Postgres: keys sorted, no 1.0. */
function roundTrip<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, each) =>
    each && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)))
      : each,
  ) as T;
}

describe('a returned value', () => {
  test.each([
    ['None', '[]'],
    ['[]', '[]'],
    ['7', '7'],
    ['[42]', '42'],
    ['(1, "x")', "[1, 'x']"],
    ['[None, 1]', '[None, 1]'],
    ['[[1, 2], [3, 4]]', '[[1, 2], [3, 4]]'],
    ['list(range(12))', '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]'],
    ['(n for n in (1, "b"))', "[1, 'b']"],
    ['{"b": 1, "a": {"10": 1, "9": 2}}', "{'b': 1, 'a': {'10': 1, '9': 2}}"],
    ['1.0', '1.0'],
    ['-0.0', '-0.0'],
    ['2**60', '1152921504606846976'],
    ['1e300', '1e+300'],
    ['True', 'True'],
    ['float("nan")', 'nan'],
    ['{"x": float("inf")}', "{'x': inf}"],
    ['"a\\0b"', "'a\\x00b'"],
    ['"\\ud800"', "'\\ud800'"],
    ['"ä" * 3', "'äää'"],
    ['b"abc"', "b'abc'"],
    ['{1}', '{1}'],
    ['{"t": (1, 2), 3: "three"}', "{'t': (1, 2), 3: 'three'}"],
    ['datetime.datetime(2024, 1, 2)', 'datetime.datetime(2024, 1, 2, 0, 0)'],
    ['decimal.Decimal("1.10")', "Decimal('1.10')"],
    ['[{"a": 1, "b": None}] * 2', "[{'a': 1, 'b': None}, {'a': 1, 'b': None}]"],
    ['[[{"b": 1.0, "a": "x"}, {"b": 2.5, "a": "y"}]]', "[{'b': 1.0, 'a': 'x'}, {'b': 2.5, 'a': 'y'}]"],
  ])('%s arrives downstream as %s', async (returned, seen) => {
    expect(await seenDownstream(returned, 'import datetime, decimal')).toBe(seen);
  });

  test('of a long text arrives whole, also with what is no plain text', async () => {
    const input = await house.input('up', '@custom\ndef f(): return "ä\\r\\n" * 5000, "\\ud800" * 5000');
    expect(input.outputs.map((output) => output.format)).toEqual(['text', 'pickle']);
    const { outcome } = await house.run('@custom\ndef f(x): return x == ["ä\\r\\n" * 5000, "\\ud800" * 5000]', {
      inputs: [input],
    });
    expect(values(outcome)).toEqual([true]);
  });

  test("of the block's own classes arrives as an instance, and travels on", async () => {
    const before = `import dataclasses, enum
print('not again')
@dataclasses.dataclass
class Point:
    x: int
class Colour(enum.Enum):
    RED = 1`;
    const up = await house.input('up/stream-1', `${before}\n@custom\ndef f(): return {'p': Point(3), 'c': Colour.RED}`);
    const middle = house.start('@custom\ndef f(x): return x["p"]', { inputs: [up], blockUuid: 'middle' });
    const outcome = await middle.running.outcome;
    const { outcome: last, logs } = await house.run('@custom\ndef f(p): return f"{p.x} {type(p).__qualname__}"', {
      inputs: [{ blockUuid: 'middle', status: 'completed', outputs: outcome.outputs }],
    });
    expect(values(last)).toEqual(['3 Point']);
    expect(logs).toEqual([]);
  });

  test('that nothing can keep fails the block with a sentence', async () => {
    const { outcome } = await house.run('import threading\n@custom\ndef f(): return threading.Lock()', {
      blockUuid: 'up',
    });
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { type: 'OutputNotStorableError', message: expect.stringContaining('Block `up` returned a lock') },
    });
  });
});

describe('what is stored', () => {
  test('is nothing but the manifest for a small value that JSON carries exactly', async () => {
    const { outcome } = await house.run('@custom\ndef f(): return "small"', { outputPath: '1/tiny/1' });
    expect(outcome.outputs).toMatchObject([
      { name: 'output_0', kind: 'text', format: 'json', inline: 'small', sizeBytes: 7 },
    ]);
    expect(existsSync(join(house.outputsRoot, '1/tiny'))).toBe(false);
  });

  test('is a table of JSON lines for rows, with its columns', async () => {
    const { outcome } = await house.run(
      '@custom\ndef f(): return [[{"id": n, "name": "x" * 50, "z": None} for n in range(90)]]',
    );
    const [manifest] = outcome.outputs;
    expect(manifest).toMatchObject({
      kind: 'table',
      format: 'jsonl',
      rowCount: 90,
      columnCount: 3,
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'name', type: 'string' },
        { name: 'z', type: 'null' },
      ],
    });
    const folder = join(house.outputsRoot, manifest?.path ?? '');
    const lines = readFileSync(join(folder, 'data.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(Array.from({ length: 90 }, (_, n) => n));
    expect(JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8'))).toEqual(manifest);
  });

  test('is one output for a list of more than a hundred, and the list arrives', async () => {
    const input = await house.input('up', '@custom\ndef f(): return [{"n": n} for n in range(1000)]');
    expect(input.outputs).toHaveLength(1);
    const { outcome } = await house.run('@custom\ndef f(x): return f"{type(x).__name__} {len(x)} {x[999]}"', {
      inputs: [input],
    });
    expect(values(outcome)).toEqual(["list 1000 {'n': 999}"]);
  });

  test('has a readable copy beside a pickle, for other languages', async () => {
    const { outcome } = await house.run('@custom\ndef f(): return {"b": {1, 2}, "n": float("nan"), "x": b"ab"}');
    const [manifest] = outcome.outputs;
    expect(manifest).toMatchObject({ kind: 'json', format: 'pickle', inline: { b: [1, 2], n: null, x: 'YWI=' } });
    const copy = readFileSync(join(house.outputsRoot, manifest?.path ?? '', 'data.json'), 'utf8');
    expect(JSON.parse(copy)).toEqual(manifest?.inline);
  });

  test('is shown by its repr when there is no JSON for it', async () => {
    const { outcome } = await house.run(
      'class A:\n    def __repr__(self): return "<A>" * 1000\n@custom\ndef f(): return A()',
    );
    expect(outcome.outputs[0]).toMatchObject({
      kind: 'binary',
      format: 'pickle',
      repr: '<A>'.repeat(1000).slice(0, 2000),
    });
  });

  test('is missed with a sentence when it is gone', async () => {
    const input = await house.input('up', '@custom\ndef f(): return {1, 2}');
    await rm(join(house.outputsRoot, input.outputs[0]?.path ?? ''), { recursive: true });
    const { outcome } = await house.run('@custom\ndef f(x): pass', { inputs: [input] });
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('output_0 of the upstream block `up` is gone') },
    });
  });
});
