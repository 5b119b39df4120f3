import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputManifest } from '../../domain/outputs.ts';
import type { AttemptInput } from '../executor.ts';

/** Thrown when an upstream's output can't be a file that a shell script could read. */
class InputNotReadable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InputNotReadable';
  }
}

/**
 * The files that hold what the upstream blocks gave, as environment variables: `INPUT_1`, `INPUT_2`, … in the order of
 * `upstream_blocks`; of an upstream with several outputs `INPUT_1` is the first, and `INPUT_1_0`, `INPUT_1_1`, … are all of
 * them. Empty when there is none. Small values, which have no file, are written to `scratch`, a folder that exists.
 */
export async function inputFiles(
  inputs: readonly AttemptInput[],
  outputsRoot: string,
  scratch: string,
): Promise<{ readonly [name: string]: string }> {
  const files: Record<string, string> = {};
  for (const [index, input] of inputs.entries()) {
    const name = `INPUT_${index + 1}`;
    const paths: string[] = [];
    for (const output of input.status === 'completed' ? input.outputs : []) {
      paths.push(await fileOf(input.blockUuid, output, outputsRoot, join(scratch, `${name}_${paths.length}`)));
    }
    files[name] = paths[0] ?? '';
    for (const [number, path] of paths.entries()) files[`${name}_${number}`] = path;
  }
  return files;
}

async function fileOf(blockUuid: string, output: OutputManifest, outputsRoot: string, target: string): Promise<string> {
  const folder = join(outputsRoot, output.path);
  // Only Python reads a pickle, but it leaves a readable copy beside it where there is a sensible one.
  const names =
    output.format === 'pickle' ? ['data.parquet', 'data.jsonl', 'data.json'] : output.file === '' ? [] : [output.file];
  const stored = names.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (stored !== undefined) return stored;
  if (output.inline !== undefined) return writeInline(output, target);
  throw new InputNotReadable(
    output.format === 'pickle'
      ? `The ${output.name} of the upstream block ${blockUuid} is a Python object that only Python can read. Return plain data there: dicts, lists, strings, numbers or a DataFrame.`
      : `The stored ${output.name} of the upstream block ${blockUuid} is gone (${output.path}). Run that block again.`,
  );
}

/** As if it had been too large to stay inline: a table is JSON lines, a text is itself. */
async function writeInline({ kind, inline }: OutputManifest, target: string): Promise<string> {
  const [ending, text] =
    kind === 'table' && Array.isArray(inline)
      ? ['jsonl', inline.map((row) => `${JSON.stringify(row)}\n`).join('')]
      : typeof inline === 'string'
        ? ['txt', inline]
        : ['json', JSON.stringify(inline)];
  await writeFile(`${target}.${ending}`, text);
  return `${target}.${ending}`;
}
