import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputManifest } from '../../domain/outputs.ts';
import type { Json } from '../../domain/pipeline.ts';
import { describeTableFile } from '../../outputs/table-file.ts';
import type { AttemptTask } from '../executor.ts';
import { type OutputPlace, plainManifest, writeMeta } from './output-manifest.ts';
import { isRow, isStorableInline } from './typescript-child-json.ts';
import { createRowWriter } from './typescript-child-rows.ts';

export const outputFormats = ['json', 'csv', 'parquet'] as const;
export type ShellOutputFormat = (typeof outputFormats)[number];

const inlineBytes = 4096;
/** JSON is read by the worker, which has other things to do than to read for seconds. */
const mostJsonBytes = 16 * 1024 ** 2;

/** Thrown when what a script wrote to `$OUTPUT` is not an output. */
export class OutputNotReadable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OutputNotReadable';
  }
}

/** Where one attempt of a shell block may write its output. */
export type ShellOutput = {
  /** `OUTPUT`, `OUTPUT_JSON`, `OUTPUT_CSV` and `OUTPUT_PARQUET`. */
  readonly environment: { readonly [name: string]: string };
  /** The output that was written, none or one. Rejects with OutputNotReadable. */
  readonly collect: () => Promise<readonly OutputManifest[]>;
};

/**
 * Makes the folder of an attempt's output. `$OUTPUT` ends as `configuration.output_format` says (json when it says nothing);
 * a script may as well write to `$OUTPUT_CSV` and so on, but to one of them only.
 */
export async function prepareOutput(
  task: Pick<AttemptTask, 'outputsRoot' | 'outputPath' | 'configuration'>,
): Promise<ShellOutput> {
  const path = `${task.outputPath}/output_0`;
  const place = { name: 'output_0', path, folder: join(task.outputsRoot, path) };
  const fileOf = (format: ShellOutputFormat) => join(place.folder, `data.${format}`);
  const chosen = formatOf(task.configuration.output_format);
  await mkdir(place.folder, { recursive: true });
  return {
    environment: {
      OUTPUT: fileOf(chosen),
      OUTPUT_JSON: fileOf('json'),
      OUTPUT_CSV: fileOf('csv'),
      OUTPUT_PARQUET: fileOf('parquet'),
    },
    collect: async () => {
      const written: ShellOutputFormat[] = [];
      for (const format of outputFormats) if ((await sizeOf(fileOf(format))) !== null) written.push(format);
      const [format, another] = written;
      if (another !== undefined) {
        throw new OutputNotReadable(`The block wrote ${written.join(' and ')}: it can have one output only.`);
      }
      const manifest = format === undefined ? null : await read(format, fileOf(format), place);
      if (manifest === null) await rm(place.folder, { recursive: true, force: true });
      return manifest === null ? [] : [manifest];
    },
  };
}

function formatOf(written: Json | undefined): ShellOutputFormat {
  const format = outputFormats.find((each) => each === (written ?? 'json'));
  if (format !== undefined) return format;
  throw new OutputNotReadable(
    `configuration.output_format is ${JSON.stringify(written)}; it can be ${outputFormats.join(', ')}.`,
  );
}

/** Null for a file that was opened and never written to. */
async function read(format: ShellOutputFormat, file: string, place: OutputPlace): Promise<OutputManifest | null> {
  const sizeBytes = (await sizeOf(file)) ?? 0;
  if (sizeBytes === 0) return null;
  return format === 'json' ? readJson(file, sizeBytes, place) : readTable(format, file, sizeBytes, place);
}

async function readTable(
  format: 'csv' | 'parquet',
  file: string,
  sizeBytes: number,
  place: OutputPlace,
): Promise<OutputManifest> {
  const { columns, rowCount } = await describeTableFile(format, file).catch((error: Error) => {
    throw new OutputNotReadable(`What the block wrote as its output is no ${format} file: ${error.message}`);
  });
  const table = { kind: 'table', format, columns, rowCount, columnCount: columns.length, sizeBytes } as const;
  return writeMeta(place, { ...plainManifest(place), ...table, file: `data.${format}` });
}

async function readJson(file: string, sizeBytes: number, place: OutputPlace): Promise<OutputManifest> {
  if (sizeBytes > mostJsonBytes) {
    throw new OutputNotReadable(
      `The block wrote ${Math.round(sizeBytes / 1024 ** 2)} MB of JSON; the most is 16 MB. Write CSV or Parquet ($OUTPUT_CSV, $OUTPUT_PARQUET).`,
    );
  }
  const text = await readFile(file, 'utf8');
  const value = parse(text);
  const inlined = JSON.stringify(value);
  const isInline = Buffer.byteLength(inlined) <= inlineBytes && isStorableInline(inlined);
  if (Array.isArray(value) && value.length > 0 && value.every((row) => isRow(row))) {
    return storeRows(value as readonly Json[], file, place, isInline);
  }
  const kind = typeof value === 'string' ? 'text' : 'json';
  if (!isInline) return writeMeta(place, { ...plainManifest(place), sizeBytes });
  await rm(place.folder, { recursive: true, force: true });
  return { ...plainManifest(place), kind, inline: value, sizeBytes: Buffer.byteLength(inlined) };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutputNotReadable(`What the block wrote as its output is no JSON: ${reason}`);
  }
}

async function storeRows(
  rows: readonly Json[],
  file: string,
  place: OutputPlace,
  isInline: boolean,
): Promise<OutputManifest> {
  const writer = createRowWriter(place.folder, place.name);
  for (const row of rows) writer.add(row);
  const { columns, rowCount, sizeBytes } = writer.end(() => isInline);
  const table = {
    ...plainManifest(place),
    kind: 'table',
    columns,
    rowCount,
    columnCount: columns.length,
    sizeBytes,
  } as const;
  await rm(isInline ? place.folder : file, { recursive: true, force: true });
  return isInline ? { ...table, inline: rows } : writeMeta(place, { ...table, file: 'data.jsonl', format: 'jsonl' });
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch {
    return null;
  }
}
