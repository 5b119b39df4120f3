import type { TextCriteria } from '../store/text-criteria.ts';

/** Whether a text in memory meets what the store would ask of a column. */
export function meetsText(criteria: TextCriteria | undefined, text: string): boolean {
  if (criteria === undefined) return true;
  const { eq, in: among, notIn, contains, startsWith } = criteria;
  const lower = text.toLowerCase();
  return (
    (eq === undefined || text === eq) &&
    (among === undefined || among.includes(text)) &&
    (notIn === undefined || !notIn.includes(text)) &&
    (contains === undefined || lower.includes(contains.toLowerCase())) &&
    (startsWith === undefined || lower.startsWith(startsWith.toLowerCase()))
  );
}

/** Whether a run's tags meet what the store would ask of them: one of them does, and none is in `notIn`. */
export function meetsTags(criteria: TextCriteria | undefined, tags: readonly string[]): boolean {
  if (criteria === undefined) return true;
  const { notIn, ...positive } = criteria;
  if (notIn?.some((tag) => tags.includes(tag))) return false;
  return Object.keys(positive).length === 0 || tags.some((tag) => meetsText(positive, tag));
}
