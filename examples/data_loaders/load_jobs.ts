import { readFile } from 'node:fs/promises';
import type { BlockArguments } from 'penstock/block';

/** Jobs of one month in thousands, one column per sector: as the file has it, all texts. */
export type WideRow = { readonly month: string; readonly [sector: string]: string };

/** Reads the file. Paths are best made from the block's own place, wherever the project lies. */
export default async function loadJobs({ logger }: BlockArguments): Promise<WideRow[]> {
  const text = await readFile(new URL('../data/us-employment.csv', import.meta.url), 'utf8');
  const [header = '', ...lines] = text.trim().split('\n');
  const columns = header.split(',');
  const rows = lines.map((line) => {
    const values = line.split(',');
    return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? ''])) as WideRow;
  });
  logger.info(`Read ${rows.length} months`, { columns: columns.length });
  return rows;
}

/** Checks of the output: they run when it is stored, and one that throws fails the block. */
export const tests = [
  function everyMonthIsThere(rows: readonly WideRow[]) {
    if (rows.length !== 120) throw new Error(`Ten years have 120 months, not ${rows.length}.`);
  },
];
