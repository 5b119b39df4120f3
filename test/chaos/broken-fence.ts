import { readFile } from 'node:fs/promises';

/** What makes a late report harmless: it must come from the worker that holds the claim, with the claim's fence. */
const comparisons = [/and t\.fence = p_fences\[[^\]]*\]/g, /and t\.worker_id = p_worker/g];

/**
 * The SQL function `step`, deliberately broken: it takes a report from whoever sends one. A checker that finds nothing wrong with
 * what this leaves behind checks nothing.
 */
export async function brokenStep(): Promise<string> {
  const path = new URL('../../prisma/functions/step.sql', import.meta.url);
  let text = (await readFile(path, 'utf8')).replace('create function', 'create or replace function');
  for (const comparison of comparisons) {
    if (!comparison.test(text)) throw new Error(`step.sql holds no ${comparison}: there is nothing to break.`);
    text = text.replaceAll(comparison, '');
  }
  return text;
}
