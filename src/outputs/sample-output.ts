import type { OutputKind, OutputManifest } from '../domain/outputs.ts';
import type { Json } from '../domain/pipeline.ts';
import { readBeginning, readFirstLines } from './read-beginning.ts';
import { OutputGoneError, storedFile } from './stored-file.ts';
import { readTableFile } from './table-file.ts';

/** A part of one stored output, as a page shows it: `rows` of a table, `value` of JSON, `text` of anything else. */
export type OutputSample = {
  readonly name: string;
  readonly kind: OutputKind;
  readonly columns: OutputManifest['columns'];
  /** One array per row, in the order of `columns`. */
  readonly rows: readonly (readonly Json[])[];
  readonly value: Json;
  readonly text: string | null;
  readonly rowCount: number | null;
  readonly columnCount: number | null;
  readonly sizeBytes: number;
  readonly mimeType: string | null;
  /** There is more than this: rows, or a part of a text or of a long cell. */
  readonly truncated: boolean;
};

export const mostSampleRows = 1_000;
/** The longest text shown, in bytes; a JSON value above it is shown as the beginning of its text. */
const mostTextBytes = 64 * 1024;
const longestCell = 10_000;

/**
 * Samples a stored output: at most `sampleCount` rows (≤ 1,000), never more of the file in memory than that needs. Rejects with
 * OutputGoneError when the file is gone.
 */
export async function sampleOutput(
  outputsRoot: string,
  manifest: OutputManifest,
  sampleCount: number,
): Promise<OutputSample> {
  const count = Math.max(0, Math.min(Math.trunc(sampleCount), mostSampleRows));
  if (manifest.inline !== undefined) return sampleValue(manifest, manifest.inline, count);
  if (manifest.format === 'pickle') return samplePickle(outputsRoot, manifest, count);
  const file = await storedFile(outputsRoot, manifest.path, manifest.file);
  return sampleFile(manifest, manifest.format, file, count);
}

async function sampleFile(
  manifest: OutputManifest,
  format: OutputManifest['format'],
  file: string,
  count: number,
): Promise<OutputSample> {
  switch (format) {
    case 'jsonl':
      return sampleLines(manifest, file, count);
    case 'json':
      return sampleJson(manifest, file, count);
    case 'parquet':
    case 'csv':
      return sampleTable(manifest, format, file, count);
    case 'text': {
      const { text, isWhole } = await readBeginning(file, mostTextBytes);
      return { ...facts(manifest), text, truncated: !isWhole };
    }
    default:
      return { ...facts(manifest), text: manifest.repr ?? null, truncated: true };
  }
}

/** Python leaves a readable copy beside a pickle where there is a sensible one; else the repr has to do. */
async function samplePickle(outputsRoot: string, manifest: OutputManifest, count: number): Promise<OutputSample> {
  for (const format of ['parquet', 'jsonl', 'json'] as const) {
    const file = await storedFile(outputsRoot, manifest.path, `data.${format}`).catch((error: unknown) => {
      if (error instanceof OutputGoneError) return null;
      throw error;
    });
    if (file !== null) return sampleFile(manifest, format, file, count);
  }
  return { ...facts(manifest), text: manifest.repr ?? null, truncated: true };
}

async function sampleLines(manifest: OutputManifest, file: string, count: number): Promise<OutputSample> {
  const { lines, isWhole } = await readFirstLines(file, count);
  const rows = lines.map((line) => JSON.parse(line) as Json);
  return sampleRows(manifest, rows, !isWhole);
}

async function sampleJson(manifest: OutputManifest, file: string, count: number): Promise<OutputSample> {
  const { text, isWhole } = await readBeginning(file, mostTextBytes);
  if (isWhole) return sampleValue(manifest, JSON.parse(text) as Json, count);
  return { ...facts(manifest), text, truncated: true };
}

async function sampleTable(
  manifest: OutputManifest,
  format: 'parquet' | 'csv',
  file: string,
  count: number,
): Promise<OutputSample> {
  const { columns, rows } = await readTableFile(format, file, count + 1);
  // The manifest speaks of the types that the block knows (pandas'); the file's own columns are the ones that are there.
  const known = new Map(manifest.columns.map((column) => [column.name, column.type]));
  const shown = columns.map(({ name, type }) => ({ name, type: known.get(name) ?? type }));
  return withShortCells({
    ...facts(manifest),
    columns: shown,
    rows: rows.slice(0, count),
    truncated: rows.length > count,
  });
}

function sampleValue(manifest: OutputManifest, value: Json, count: number): OutputSample {
  if (manifest.kind === 'table' && Array.isArray(value)) {
    return sampleRows(manifest, value.slice(0, count), value.length > count);
  }
  if (typeof value === 'string') return { ...facts(manifest), value, text: value };
  return { ...facts(manifest), value };
}

/** Rows are objects, or single values of a table with one column (a Series). */
function sampleRows(manifest: OutputManifest, rows: readonly Json[], truncated: boolean): OutputSample {
  const columns = manifest.columns.length > 0 ? manifest.columns : columnsOf(rows);
  const cells = rows.map((row) => {
    if (typeof row !== 'object' || row === null || Array.isArray(row)) return [row];
    const properties = row as { readonly [name: string]: Json };
    return columns.map(({ name }) => properties[name] ?? null);
  });
  return withShortCells({ ...facts(manifest), columns, rows: cells, truncated });
}

function columnsOf(rows: readonly Json[]): OutputManifest['columns'] {
  const names = new Set(rows.flatMap((row) => (typeof row === 'object' && row !== null ? Object.keys(row) : [])));
  return [...names].map((name) => ({ name, type: 'unknown' }));
}

function withShortCells(sample: OutputSample): OutputSample {
  let shortened = false;
  const shorten = (cell: Json): Json => {
    const text =
      typeof cell === 'string' ? cell : typeof cell === 'object' && cell !== null ? JSON.stringify(cell) : '';
    if (text.length <= longestCell) return cell;
    shortened = true;
    return `${text.slice(0, longestCell).toWellFormed()}…`;
  };
  const rows = sample.rows.map((row) => row.map(shorten));
  return { ...sample, rows, truncated: sample.truncated || shortened };
}

function facts(manifest: OutputManifest): OutputSample {
  const { name, kind, columns, rowCount, columnCount, sizeBytes, mimeType } = manifest;
  const nothing = { rows: [], value: null, text: null, truncated: false };
  return { name, kind, columns, rowCount, columnCount, sizeBytes, mimeType, ...nothing };
}
