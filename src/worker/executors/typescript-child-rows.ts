import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputManifest } from '../../domain/outputs.ts';
import { BlockMistake } from './typescript-child-errors.ts';
import { isRow, jsonable } from './typescript-child-json.ts';

/** What is known of rows that were written. `text` holds all of them, as JSON lines, when no file was needed. */
export type WrittenRows = {
  readonly columns: OutputManifest['columns'];
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly text: string | null;
};

const bufferCharacters = 64 * 1024;

/** Takes rows one by one and writes them as JSON lines; a file appears once there is more than one buffer of them. */
export type RowWriter = {
  readonly add: (row: unknown) => void;
  readonly end: (mayStayInMemory: (text: string) => boolean) => WrittenRows;
};

/** Makes a writer to `<folder>/data.jsonl`; `name` is how messages call the output. */
export function createRowWriter(folder: string, name: string): RowWriter {
  const columns = createColumns();
  let buffer = '';
  let file: number | null = null;
  let rowCount = 0;
  let sizeBytes = 0;

  function flush(): void {
    if (file === null) {
      mkdirSync(folder, { recursive: true });
      file = openSync(join(folder, 'data.jsonl'), 'w');
    }
    const bytes = Buffer.from(buffer);
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    sizeBytes += bytes.length;
    buffer = '';
  }

  return {
    add: (row) => {
      if (!isRow(row)) {
        throw new BlockMistake(
          'OutputNotStorable',
          `${name}[${rowCount}] is no row: a generator yields objects, one per row.`,
        );
      }
      const value = jsonable(row, `${name}[${rowCount}]`) as Readonly<Record<string, unknown>>;
      columns.see(value);
      buffer += `${JSON.stringify(value)}\n`;
      rowCount++;
      if (buffer.length >= bufferCharacters) flush();
    },
    end: (mayStayInMemory) => {
      const stays = file === null && mayStayInMemory(buffer);
      const text = stays ? buffer : null;
      if (stays) sizeBytes = Buffer.byteLength(buffer);
      else flush();
      if (file !== null) closeSync(file);
      return { columns: columns.all(), rowCount, sizeBytes, text };
    },
  };
}

/** The columns of a table in the order of their first appearance, with the JSON types that occur; nulls don't count. */
function createColumns() {
  const types = new Map<string, string>();
  return {
    see(row: Readonly<Record<string, unknown>>): void {
      for (const key of Object.keys(row)) {
        const type = jsonType(row[key]);
        const known = types.get(key);
        if (known === undefined) types.set(key, type);
        else if (known !== type) types.set(key, merge(known, type));
      }
    },
    all: () => [...types].map(([name, type]) => ({ name, type })),
  };
}

function jsonType(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Date) return 'datetime';
  if (typeof value === 'number')
    return Number.isInteger(value) ? 'integer' : Number.isFinite(value) ? 'number' : 'null';
  return typeof value;
}

function merge(known: string, type: string): string {
  if (type === 'null') return known;
  if (known === 'null') return type;
  const numeric = (each: string) => each === 'integer' || each === 'number';
  return numeric(known) && numeric(type) ? 'number' : 'mixed';
}
