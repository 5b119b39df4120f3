import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { OutputManifest } from '../../src/domain/outputs.ts';
import { createProject, errorOf, inlineOf, inputOf } from './typescript-project.ts';

type Project = ReturnType<typeof createProject>;

/** Stores what an expression gives, and shows what a downstream block gets of it. */
async function passOn(project: Project, expression: string) {
  const { outcome } = await project.run(`export default () => ${expression};`);
  if (outcome.status !== 'completed') throw new Error(JSON.stringify(outcome));
  const [manifest] = outcome.outputs;
  const below = await project.run(
    'export default ({ inputs: [value] }) => value instanceof Uint8Array ? ["bytes", value.length] : value;',
    { name: 'custom/below.ts', inputs: [inputOf(outcome.outputs)] },
  );
  return { manifest: manifest as OutputManifest, arrived: below.outcome.outputs[0]?.inline };
}

test.each([
  ['"text"', 'text', 'text'],
  ['5', 'json', 5],
  ['false', 'json', false],
  ['[]', 'json', []],
  ['{ b: 1, a: [null, { x: 2 }] }', 'json', { b: 1, a: [null, { x: 2 }] }],
  ['[1, "two"]', 'json', [1, 'two']],
  ['[{ a: 1 }, { b: 2 }]', 'table', [{ a: 1 }, { b: 2 }]],
  ['[NaN, Infinity, undefined, -0]', 'json', [null, null, null, 0]],
  [
    '({ gone: undefined, date: new Date(0), bad: new Date(NaN) })',
    'json',
    { date: '1970-01-01T00:00:00.000Z', bad: null },
  ],
  ['[12n, 2n ** 60n]', 'json', [12, '1152921504606846976']],
  ['new Map([["a", new Set([1, 2])], [3, 4n]])', 'json', { a: [1, 2], 3: 4 }],
  ['[Buffer.from("hi"), new Uint16Array([1])]', 'json', ['aGk=', 'AQA=']],
  ['({ e: new TypeError("broken") })', 'json', { e: { name: 'TypeError', message: 'broken' } }],
  ['({ toJSON: () => [1n] })', 'json', [1]],
  ['new (class Point { x = 1; #y = 2; })()', 'json', { x: 1 }],
  ['JSON.parse(\'{"__proto__": 1, "x": 2}\')', 'json', JSON.parse('{"__proto__": 1, "x": 2}')],
])('%s is small: it is in its manifest, and no file is written', async (expression, kind, value) => {
  await using project = createProject();
  const { manifest, arrived } = await passOn(project, `(${expression})`);
  expect(manifest).toMatchObject({ kind, inline: value, format: 'json', name: 'output_0' });
  expect(arrived).toEqual(value);
  expect(existsSync(project.outputsRoot)).toBe(false);
});

test('undefined and null are no output', async () => {
  await using project = createProject();
  for (const value of ['undefined', 'null']) {
    expect((await project.run(`export default async () => ${value};`)).outcome.outputs).toEqual([]);
  }
});

test('larger values are stored in files, with what is known of them beside', async () => {
  await using project = createProject();
  const { outcome } = await project.run(`
    import { outputs } from 'penstock/block';
    export default () => outputs(
      'ä'.repeat(5000),
      { list: Array.from({ length: 2000 }, (_, i) => i) },
      Array.from({ length: 500 }, (_, i) => ({ id: i, share: i / 2, name: 'n' + i, at: new Date(0), maybe: i % 2 ? null : true })),
      new Uint8Array([1, 2, 3]),
    );`);
  expect(outcome.outputs).toMatchObject([
    { kind: 'text', file: 'data.txt', format: 'text', sizeBytes: 10_000, mimeType: 'text/plain' },
    { kind: 'json', file: 'data.json', format: 'json' },
    {
      kind: 'table',
      file: 'data.jsonl',
      format: 'jsonl',
      rowCount: 500,
      columnCount: 5,
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'share', type: 'number' },
        { name: 'name', type: 'string' },
        { name: 'at', type: 'datetime' },
        { name: 'maybe', type: 'boolean' },
      ],
    },
    { kind: 'binary', file: 'data.bin', format: 'binary', sizeBytes: 3, repr: '3 bytes' },
  ]);
  for (const manifest of outcome.outputs) {
    expect(manifest.inline).toBeUndefined();
    const folder = join(project.outputsRoot, manifest.path);
    expect(JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8'))).toEqual(manifest);
    expect((await readFile(join(folder, manifest.file))).length).toBe(manifest.sizeBytes);
  }

  const below = await project.run(
    `export default ({ inputs: [[text, json, table, bytes]] }) => [text.length, json.list.at(-1), table.length, table[3], [...bytes]];`,
    { inputs: [inputOf(outcome.outputs.toReversed())] },
  );
  expect(inlineOf(below.outcome)).toEqual([
    5000,
    1999,
    500,
    { id: 3, share: 1.5, name: 'n3', at: '1970-01-01T00:00:00.000Z', maybe: null },
    [1, 2, 3],
  ]);
});

test.each([
  ['a generator', 'function* () { for (let i = 0; i < 200_000; i++) yield { i, text: "x".repeat(520) }; }'],
  [
    'an async generator',
    'async function* () { for (let i = 0; i < 200_000; i++) yield { i, text: "x".repeat(520) }; }',
  ],
])('the rows of %s never are in memory together, and its tests can read them again', async (_, generator) => {
  await using project = createProject({ env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=50' } });
  const { outcome, said } = await project.run(`
    const rows = ${generator};
    export default () => rows();
    export const test = async (rows) => { let sum = 0; for await (const row of rows) sum += row.i; if (sum !== 19999900000) throw new Error(String(sum)); };
  `);
  expect(outcome).toMatchObject({
    status: 'completed',
    outputs: [{ kind: 'table', format: 'jsonl', rowCount: 200_000, columns: [{ name: 'i' }, { name: 'text' }] }],
  });
  expect(outcome.outputs[0]?.sizeBytes).toBeGreaterThan(100 * 1024 ** 2);
  expect(said).toEqual([expect.stringContaining('MB of JSON')]);
});

test('a generator of few rows needs no file', async () => {
  await using project = createProject();
  const { manifest, arrived } = await passOn(
    project,
    '(function* () { yield { a: 1 }; yield { a: null, b: [2] }; })()',
  );
  expect(manifest).toMatchObject({ kind: 'table', rowCount: 2, columnCount: 2 });
  expect(arrived).toEqual([{ a: 1 }, { a: null, b: [2] }]);
  expect((await passOn(project, '(async function* () {})()')).manifest).toMatchObject({
    kind: 'table',
    rowCount: 0,
    inline: [],
  });
});

test.each([
  ['({ rows: [{ "a b": { f() {} } }] })', 'output_0.rows[0]["a b"].f is a function'],
  ['(() => 1)', 'output_0 is a function'],
  ['[{ a: 1 }, { a: Symbol("s") }]', 'output_0[1].a is a symbol'],
  ['(() => { const a = { b: {} }; a.b.c = [a]; return a; })()', 'output_0.b.c[0] refers back'],
  ['[Promise.resolve(1)]', 'output_0[0] is a promise'],
  ['(function* () { yield { a: 1 }; yield 5; })()', 'output_0[1] is no row'],
])('%s can not be kept, and the error names the place', async (expression, message) => {
  await using project = createProject();
  const error = errorOf((await project.run(`export default () => (${expression});`)).outcome);
  expect(error).toMatchObject({
    type: 'OutputNotStorable',
    message: expect.stringContaining(message),
    stackTrace: null,
  });
});

test('the same object twice is no cycle', async () => {
  await using project = createProject();
  expect((await passOn(project, '(() => { const a = { x: 1 }; return { a, b: [a, a] }; })()')).arrived).toEqual({
    a: { x: 1 },
    b: [{ x: 1 }, { x: 1 }],
  });
});

test('a value that Postgres can not hold goes to a file', async () => {
  await using project = createProject();
  const { manifest } = await passOn(project, '({ nul: "a\\0b", half: "\\ud800" })');
  expect(manifest.inline).toBeUndefined();
  expect(existsSync(join(project.outputsRoot, manifest.path, 'data.json'))).toBe(true);
});

test('a Parquet table arrives as rows', async () => {
  await using project = createProject();
  const folder = join(project.outputsRoot, '7/above/1/output_0');
  await mkdir(folder, { recursive: true });
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(
    `copy (select 7::bigint as id, 1.5::double as share, 'NaN'::double as nothing, 'x' as name, [1, 2]::bigint[] as list,
      timestamp '2024-05-01 12:00:00' as at, null::int as gone) to '${join(folder, 'data.parquet')}' (format parquet)`,
  );
  const parquet = { ...table, file: 'data.parquet', format: 'parquet' } as const;
  const code = 'export default ({ inputs: [rows] }) => rows';
  const rows = [{ id: 7, share: 1.5, nothing: null, name: 'x', list: [1, 2], at: '2024-05-01 12:00:00', gone: null }];
  expect(inlineOf((await project.run(code, { inputs: [inputOf([parquet])] })).outcome)).toEqual(rows);

  const pickle = { ...table, file: 'data.pickle', format: 'pickle' } as const;
  expect(inlineOf((await project.run(code, { inputs: [inputOf([pickle])] })).outcome)).toEqual(rows);
});

test('a pickle without a readable copy, and an output that is gone, name the block and what to do', async () => {
  await using project = createProject();
  const folder = join(project.outputsRoot, '7/above/1/output_0');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'data.pickle'), 'x');
  const code = 'export default () => 1';
  const pickle = { ...table, kind: 'binary', file: 'data.pickle', format: 'pickle', repr: '<Model>' } as const;
  const unreadable = errorOf((await project.run(code, { inputs: [inputOf([pickle])] })).outcome);
  expect(unreadable).toMatchObject({ type: 'InputNotReadable', message: expect.stringContaining('above') });
  expect(unreadable.message).toContain('<Model>');
  const gone = errorOf((await project.run(code, { inputs: [inputOf([table])] })).outcome);
  expect(gone.message).toContain('Run that block again');
});

const table: OutputManifest = {
  name: 'output_0',
  kind: 'table',
  path: '7/above/1/output_0',
  file: 'data.jsonl',
  format: 'jsonl',
  pythonType: null,
  mimeType: null,
  columns: [],
  rowCount: 1,
  columnCount: 7,
  sizeBytes: 1,
};
