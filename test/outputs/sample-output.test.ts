import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, expect, test } from 'vitest';
import type { OutputManifest } from '../../src/domain/outputs.ts';
import { removeRunOutputs } from '../../src/outputs/remove-run-outputs.ts';
import { sampleOutput } from '../../src/outputs/sample-output.ts';
import { OutputGoneError } from '../../src/outputs/stored-file.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-outputs-')));
const root = join(base, 'outputs');
afterAll(() => rmSync(base, { recursive: true, force: true }));

let lastRun = 0;

/** A manifest with its data stored in a folder of its own. */
async function stored(
  file: string,
  data: string | Uint8Array,
  facts: Partial<OutputManifest>,
): Promise<OutputManifest> {
  const path = `${++lastRun}/load/1/output_0`;
  const target = join(root, path, file);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, data);
  return { ...plain, path, file, ...facts };
}

const plain: OutputManifest = {
  name: 'output_0',
  kind: 'json',
  path: '',
  file: 'data.json',
  format: 'json',
  pythonType: null,
  mimeType: null,
  columns: [],
  rowCount: null,
  columnCount: null,
  sizeBytes: 10,
};

const lines = (count: number) =>
  Array.from({ length: count }, (_, id) => `${JSON.stringify({ id, n: `n${id}` })}\n`).join('');
const idAndName = [
  { name: 'id', type: 'integer' },
  { name: 'n', type: 'string' },
];

test('a small value is shown from its manifest, without any file', async () => {
  expect(await sampleOutput('/nowhere', { ...plain, inline: { a: 1 } }, 10)).toEqual({
    name: 'output_0',
    kind: 'json',
    columns: [],
    rows: [],
    value: { a: 1 },
    text: null,
    rowCount: null,
    columnCount: null,
    sizeBytes: 10,
    mimeType: null,
    truncated: false,
  });
  expect(await sampleOutput('/nowhere', { ...plain, kind: 'text', inline: 'hello' }, 10)).toMatchObject({
    text: 'hello',
  });
});

test('a small table is shown in the order of its columns', async () => {
  const manifest: OutputManifest = {
    ...plain,
    kind: 'table',
    columns: idAndName,
    inline: [{ n: 'a', id: 1 }, { id: 2 }],
  };
  expect(await sampleOutput('/nowhere', manifest, 10)).toMatchObject({
    rows: [
      [1, 'a'],
      [2, null],
    ],
    truncated: false,
  });
  expect(await sampleOutput('/nowhere', manifest, 1)).toMatchObject({ rows: [[1, 'a']], truncated: true });
});

test('of a long table the first rows are shown, never more than 1,000', async () => {
  const manifest = await stored('data.jsonl', lines(5000), {
    kind: 'table',
    format: 'jsonl',
    columns: idAndName,
    rowCount: 5000,
  });
  const three = await sampleOutput(root, manifest, 3);
  expect(three).toMatchObject({ columns: idAndName, rowCount: 5000, truncated: true });
  expect(three.rows).toEqual([
    [0, 'n0'],
    [1, 'n1'],
    [2, 'n2'],
  ]);
  const all = await sampleOutput(root, manifest, 1e9);
  expect(all.rows).toHaveLength(1000);
  expect(all.rows.at(-1)).toEqual([999, 'n999']);
  expect((await sampleOutput(root, manifest, -1)).rows).toEqual([]);
});

test('a table that is shown whole says so', async () => {
  const manifest = await stored('data.jsonl', lines(3).trimEnd(), {
    kind: 'table',
    format: 'jsonl',
    columns: idAndName,
  });
  expect(await sampleOutput(root, manifest, 3)).toMatchObject({ rows: { length: 3 }, truncated: false });
});

test('a huge line does not get into memory, a long cell is cut', async () => {
  const cell = await stored('data.jsonl', `${JSON.stringify({ id: 1, n: 'x'.repeat(50_000) })}\n`, {
    kind: 'table',
    format: 'jsonl',
    columns: idAndName,
  });
  const cut = await sampleOutput(root, cell, 10);
  expect(String(cut.rows[0]?.[1])).toHaveLength(10_001);
  expect(cut.truncated).toBe(true);
  const line = await stored('data.jsonl', `${lines(1)}{"n":"${'x'.repeat(20_000_000)}"}\n`, {
    kind: 'table',
    format: 'jsonl',
    columns: idAndName,
  });
  expect(await sampleOutput(root, line, 10)).toMatchObject({ rows: [[0, 'n0']], truncated: true });
});

test('JSON is shown as a value when it is small and as the beginning of its text when it is not', async () => {
  const small = await stored('data.json', JSON.stringify({ a: ['x'.repeat(5000)] }), {});
  expect(await sampleOutput(root, small, 10)).toMatchObject({ value: { a: ['x'.repeat(5000)] }, truncated: false });
  const large = await sampleOutput(root, await stored('data.json', `["${'ä'.repeat(200_000)}"]`, {}), 10);
  expect(large).toMatchObject({ value: null, truncated: true });
  expect(large.text).toMatch(/^\["ä{30000,}$/);
});

test('text is cut between characters', async () => {
  const sample = await sampleOutput(
    root,
    await stored('data.txt', `x${'💧'.repeat(50_000)}`, { kind: 'text', format: 'text' }),
    10,
  );
  expect(sample.text).toBe(`x${'💧'.repeat(16_383)}`);
  expect(sample.truncated).toBe(true);
});

test('Parquet shows what JSON can not say as null or a string', async () => {
  const manifest = await stored('other', '', {});
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(`copy (
    select i::bigint as id, 'nan'::double as nan, '-inf'::float as inf, 9007199254740993::bigint as big, 12.30::decimal(9,2) as price,
      timestamp '2024-05-01 12:00:00.5' as at, date '2024-05-01' as day, '\\x00\\xff'::blob as bytes, null::timestamp as nat, {'a': 1.5::double} as s
    from range(2000) t(i)) to '${join(root, manifest.path, 'data.parquet')}' (format parquet)`);
  const parquet: OutputManifest = {
    ...manifest,
    kind: 'table',
    file: 'data.parquet',
    format: 'parquet',
    columns: [{ name: 'id', type: 'int64' }],
  };
  const sample = await sampleOutput(root, parquet, 2);
  expect(sample.rows[1]).toEqual([
    1,
    null,
    null,
    '9007199254740993',
    '12.30',
    '2024-05-01 12:00:00.5',
    '2024-05-01',
    '\\x00\\xFF',
    null,
    { a: 1.5 },
  ]);
  expect(sample.rows).toHaveLength(2);
  expect(sample.truncated).toBe(true);
  expect(sample.columns.slice(0, 2)).toEqual([
    { name: 'id', type: 'int64' },
    { name: 'nan', type: 'DOUBLE' },
  ]);
  expect((await sampleOutput(root, { ...parquet, file: 'data.pickle', format: 'pickle' }, 1)).rows).toHaveLength(1);
});

test('a binary value is shown by its repr', async () => {
  const pickle = await stored('data.pickle', 'x', { kind: 'binary', format: 'pickle', repr: '<Model>' });
  expect(await sampleOutput(root, pickle, 10)).toMatchObject({
    kind: 'binary',
    text: '<Model>',
    rows: [],
    value: null,
  });
});

test('an output that is gone, or that lies elsewhere, is refused', async () => {
  const manifest = await stored('data.json', '1', {});
  await writeFile(join(base, 'secret.json'), '"secret"');
  await symlink(join(base, 'secret.json'), join(root, manifest.path, 'link.json'));
  await symlink(base, join(root, 'out'));
  for (const wrong of [
    { file: 'gone.json' },
    { path: '../', file: 'secret.json' },
    { path: 'out', file: 'secret.json' },
    { path: '.', file: '../secret.json' },
    { file: 'link.json' },
    { path: '/etc', file: 'passwd' },
    { file: 'a\0b' },
    { file: 'x'.repeat(5000) },
    { path: '', file: '' },
  ]) {
    await expect(sampleOutput(root, { ...manifest, ...wrong }, 10)).rejects.toThrow(OutputGoneError);
  }
});

test('removing the outputs of a run removes them all, and only them', async () => {
  const one = await stored('data.json', '{"big": 1}', {});
  const other = await stored('data.json', '2', {});
  await removeRunOutputs(root, Number(one.path.split('/')[0]));
  await removeRunOutputs(root, 999_999n);
  await expect(sampleOutput(root, one, 1)).rejects.toThrow(OutputGoneError);
  expect(await sampleOutput(root, other, 1)).toMatchObject({ value: 2 });
});
