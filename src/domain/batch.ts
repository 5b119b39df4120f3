import type { JsonObject } from './pipeline.ts';
import { type Answer, refused } from './refusal.ts';

/** A retry, cancel or delete over many runs: made whole at once, carried out piece by piece, with an answer for each run. */
export const batchActions = ['retry', 'cancel', 'delete'] as const;
export type BatchAction = (typeof batchActions)[number];

export const batchStatuses = ['previewed', 'running', 'completed', 'aborted', 'expired'] as const;
export type BatchStatus = (typeof batchStatuses)[number];

/** How a batch retries. */
export type BatchRetry = {
  readonly mode: 'incomplete' | 'from_block' | 'all';
  readonly fromBlock: string | null;
  readonly variables: JsonObject;
  /** Refuses a run whose attempt is another: one effect for many callers. */
  readonly expectedAttempt: number | null;
};

export type BatchWork =
  | { readonly action: 'retry'; readonly retry: BatchRetry }
  | { readonly action: 'cancel' | 'delete'; readonly retry: null };

/** How long a previewed batch can be carried out, in milliseconds. */
export const previewLifetimeMs = 15 * 60_000;

/** How many runs a caller may name one by one, how many a filter may select, and how many of these can be previewed. */
export const mostRunsById = 1_000;
export const mostRunsByFilter = 100_000;
export const mostRunsPreviewed = 10_000;

/** So many items end within the request that makes a batch. */
export const itemsWithinRequest = 100;

/** So often a piece of a batch is tried that fails as a whole; then its items are taken one by one, and each of these as often. */
export const mostTries = 3;

/** What a batch says of a run for which the action failed each time: something is wrong with it, or with Penstock, and the others go on. */
export function alwaysFails(runId: bigint, action: BatchAction): Answer<never> {
  const message = `The attempt to ${action} run_${runId} failed ${mostTries} times with an error that nobody foresaw; it is as it was. The server's log has the error.`;
  return refused({ code: 'CONFLICT', message });
}

/** What a batch says about something that is not the id of a run. */
export function notARunId(given: string): Answer<never> {
  const message = `${JSON.stringify(given)} is not the id of a pipeline run; one looks like run_1042.`;
  return refused({ code: 'INVALID_INPUT', message });
}

/** The first of these items, up to the one with which they reach `enough` block runs: runs may be large. */
export function upToBlockRuns<Item extends { readonly blockRuns: number }>(
  items: readonly Item[],
  enough: number,
): readonly Item[] {
  let blockRuns = 0;
  const last = items.findIndex((item) => {
    blockRuns += item.blockRuns;
    return blockRuns >= enough;
  });
  return last === -1 ? items : items.slice(0, last + 1);
}
