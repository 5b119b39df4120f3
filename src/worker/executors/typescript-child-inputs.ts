import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputManifest } from '../../domain/outputs.ts';
import type { AttemptInput } from '../executor.ts';
import { BlockMistake } from './typescript-child-errors.ts';

/**
 * Reads what the upstream blocks have stored, whichever language stored it: the value of one output, an array of several,
 * undefined of none. Throws a BlockMistake that names the block when an output is gone or only Python can read it.
 */
export async function readInputs(inputs: readonly AttemptInput[], outputsRoot: string): Promise<readonly unknown[]> {
  const values: unknown[] = [];
  for (const input of inputs) values.push(await readInput(input, outputsRoot));
  return values;
}

async function readInput(input: AttemptInput, outputsRoot: string): Promise<unknown> {
  if (input.status !== 'completed') return undefined;
  const values: unknown[] = [];
  for (const manifest of inOrder(input.outputs)) {
    // Small values came with the task.
    values.push(
      manifest.inline === undefined ? await readStored(input.blockUuid, manifest, outputsRoot) : manifest.inline,
    );
  }
  return values.length > 1 ? values : values[0];
}

/** By number: output_10 comes after output_9. */
function inOrder(outputs: readonly OutputManifest[]): readonly OutputManifest[] {
  if (outputs.length < 2) return outputs;
  const number = (manifest: OutputManifest) => Number(/\d+$/.exec(manifest.name)?.[0]);
  return outputs.toSorted((a, b) => number(a) - number(b));
}

async function readStored(blockUuid: string, manifest: OutputManifest, outputsRoot: string): Promise<unknown> {
  const folder = join(outputsRoot, manifest.path);
  try {
    if (manifest.format === 'pickle') return await readCopyOfPickle(blockUuid, manifest, folder);
    return await readFormat(manifest.format, join(folder, manifest.file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new BlockMistake(
      'InputNotReadable',
      `The stored ${manifest.name} of the upstream block ${blockUuid} is gone (${manifest.path}). Run that block again.`,
    );
  }
}

async function readFormat(format: OutputManifest['format'], file: string): Promise<unknown> {
  switch (format) {
    case 'json':
      return JSON.parse(await readFile(file, 'utf8'));
    case 'jsonl':
      return (await readFile(file, 'utf8'))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    case 'text':
      return readFile(file, 'utf8');
    case 'parquet':
    case 'csv':
      return readRows(format, file);
    default:
      return readFile(file);
  }
}

/** DuckDB is loaded only where a table needs it. Instants are ISO strings, as they are in JSON. */
async function readRows(format: 'parquet' | 'csv', file: string): Promise<readonly object[]> {
  const { readTableFile } = await import('../../outputs/table-file.ts');
  const { columns, rows } = await readTableFile(format, file, null);
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
}

/** Only Python reads a pickle, but Python leaves a readable copy beside it where there is a sensible one. */
async function readCopyOfPickle(blockUuid: string, manifest: OutputManifest, folder: string): Promise<unknown> {
  for (const format of ['json', 'jsonl', 'parquet'] as const) {
    try {
      return await readFormat(format, join(folder, `data.${format}`));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOENT') throw error;
    }
  }
  throw new BlockMistake(
    'InputNotReadable',
    `The ${manifest.name} of the upstream block ${blockUuid} is a Python object that only Python can read${
      manifest.repr ? ` (${manifest.repr.slice(0, 200)})` : ''
    }. Return plain data there: dicts, lists, strings, numbers or a DataFrame.`,
  );
}
