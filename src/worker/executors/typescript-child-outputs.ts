import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Outputs } from '../../block.ts';
import type { OutputManifest } from '../../domain/outputs.ts';
import { type OutputPlace, plainManifest, writeMeta } from './output-manifest.ts';
import { isRow, isStorableInline, jsonText, readBack } from './typescript-child-json.ts';
import { say } from './typescript-child-logs.ts';
import { createRowWriter, type WrittenRows } from './typescript-child-rows.ts';

/**
 * Stores what a block returned, by the rules of penstock/block. A value of at most 4 KB stays in the manifest and has no file
 * at all, so that most blocks write nothing to disk. meta.json comes last: without it a folder is not an output.
 */
export type StoredOutputs = {
  readonly manifests: readonly OutputManifest[];
  /** What the block's tests get: the values, and for rows that were generated an iterable that reads them again. */
  readonly values: readonly unknown[];
};

const inlineBytes = 4096;
const largeBytes = 100 * 1024 ** 2;

export async function storeOutputs(
  returned: unknown,
  place: { readonly outputsRoot: string; readonly outputPath: string },
): Promise<StoredOutputs> {
  if (returned === undefined || returned === null) return { manifests: [], values: [] };
  const values = returned instanceof Outputs ? returned.values : [returned];
  const manifests: OutputManifest[] = [];
  const testValues: unknown[] = [];
  for (const [index, value] of values.entries()) {
    const path = `${place.outputPath}/output_${index}`;
    const manifest = await storeOne(value, { name: `output_${index}`, path, folder: join(place.outputsRoot, path) });
    manifests.push(manifest);
    if (manifest.format.startsWith('json') && manifest.sizeBytes > largeBytes) warnOfSize(manifest);
    testValues.push(isGenerated(value) ? rowsAgain(manifest, join(place.outputsRoot, path)) : value);
  }
  return { manifests, values: testValues };
}

function warnOfSize({ name, sizeBytes }: OutputManifest): void {
  const megabytes = Math.round(sizeBytes / 1024 ** 2);
  say(
    'system',
    'warning',
    `${name} is ${megabytes} MB of JSON: who reads it as a whole needs several times that in memory.`,
  );
}

async function storeOne(value: unknown, target: OutputPlace): Promise<OutputManifest> {
  if (typeof value === 'string') return storeText(value, target);
  if (ArrayBuffer.isView(value))
    return storeBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), target);
  if (value instanceof ArrayBuffer) return storeBytes(new Uint8Array(value), target);
  if (isGenerated(value)) return storeGenerated(value, target);
  if (Array.isArray(value) && value.length > 0 && value.every(isRow)) return storeRows(value, target);
  return storeJson(value, target);
}

function storeText(value: string, target: OutputPlace): OutputManifest {
  const text = JSON.stringify(value);
  if (fitsInline(text))
    return { ...plainManifest(target), kind: 'text', inline: value, sizeBytes: Buffer.byteLength(text) };
  return withFile(target, Buffer.from(value), {
    kind: 'text',
    file: 'data.txt',
    format: 'text',
    mimeType: 'text/plain',
  });
}

function storeBytes(bytes: Uint8Array, target: OutputPlace): OutputManifest {
  return withFile(target, bytes, {
    kind: 'binary',
    file: 'data.bin',
    format: 'binary',
    mimeType: 'application/octet-stream',
    repr: `${bytes.length} bytes`,
  });
}

function storeJson(value: unknown, target: OutputPlace): OutputManifest {
  const text = jsonText(value, target.name);
  if (fitsInline(text)) return { ...plainManifest(target), inline: readBack(text), sizeBytes: Buffer.byteLength(text) };
  return withFile(target, Buffer.from(text), {});
}

function storeRows(rows: readonly unknown[], target: OutputPlace): OutputManifest {
  const writer = createRowWriter(target.folder, target.name);
  for (const row of rows) writer.add(row);
  return tableOf(writer.end(fitsInline), target);
}

async function storeGenerated(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  target: OutputPlace,
): Promise<OutputManifest> {
  const writer = createRowWriter(target.folder, target.name);
  for await (const row of rows) writer.add(row);
  return tableOf(writer.end(fitsInline), target);
}

function tableOf(rows: WrittenRows, target: OutputPlace): OutputManifest {
  const { columns, rowCount, sizeBytes } = rows;
  const facts = {
    ...plainManifest(target),
    kind: 'table',
    columns,
    rowCount,
    columnCount: columns.length,
    sizeBytes,
  } as const;
  if (rows.text !== null) return { ...facts, inline: readBack(`[${rows.text.trimEnd().replaceAll('\n', ',')}]`) };
  return writeMeta(target, { ...facts, file: 'data.jsonl', format: 'jsonl' });
}

function withFile(target: OutputPlace, data: Uint8Array, facts: Partial<OutputManifest>): OutputManifest {
  const manifest = { ...plainManifest(target), ...facts, sizeBytes: data.length };
  mkdirSync(target.folder, { recursive: true });
  writeFileSync(join(target.folder, manifest.file), data);
  return writeMeta(target, manifest);
}

function fitsInline(text: string): boolean {
  return text.length <= inlineBytes && Buffer.byteLength(text) <= inlineBytes && isStorableInline(text);
}

/** A generator, sync or async, or anything else that is read asynchronously. Other iterables (arrays, maps) are values. */
function isGenerated(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function') return true;
  const { next, [Symbol.iterator]: iterator } = value as Partial<Generator<unknown>>;
  return typeof next === 'function' && typeof iterator === 'function';
}

function rowsAgain(manifest: OutputManifest, folder: string): AsyncIterable<unknown> {
  return {
    async *[Symbol.asyncIterator]() {
      if (manifest.inline !== undefined) yield* manifest.inline as readonly unknown[];
      else
        for await (const line of createInterface(createReadStream(join(folder, manifest.file)))) yield JSON.parse(line);
    },
  };
}
