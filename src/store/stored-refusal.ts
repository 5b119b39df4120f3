import type { Refusal } from '../domain/refusal.ts';

/** Refusals as JSON columns keep them: numbers of rows as text, because JSON has none that large. */
export function refusalToJson(refusal: Refusal): string {
  return JSON.stringify(refusal, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}

const rowNumbers: ReadonlySet<string> = new Set(['existingRunId', 'existingBatchId']);

export function refusalFromJson(stored: unknown): Refusal {
  return Object.fromEntries(
    Object.entries(stored as object).map(([key, value]) => [key, rowNumbers.has(key) ? BigInt(value) : value]),
  ) as Refusal;
}
