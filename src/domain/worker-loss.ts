/** One look at a worker, at a monotonic time in milliseconds of the looker's own clock. */
export type Look = {
  readonly atMs: number;
  /** null when the worker has no beat row: it has not beaten yet, or a Postgres crash emptied the table. */
  readonly counter: bigint | null;
  /** What it said to hold at its newest beat. One that holds nothing beats every 10 s only. */
  readonly busy: number;
  /** The session that holds the worker's lock is gone. A hint only: the network may have cut it. */
  readonly lockIsFree: boolean;
};

/** What is remembered of a worker between looks: since when its counter stands still, and in how many looks. */
export type Standstill = {
  readonly sinceMs: number;
  readonly counter: bigint | null;
  readonly looks: number;
  readonly freeLooks: number;
};

/** How long a counter stands still before its worker is lost: beats come every 500 ms from one that holds work, every 10 s from an idle one. */
const lossRules = { stillMs: 2000, idleStillMs: 25_000, looks: 4, freeStillMs: 600, freeLooks: 3 } as const;

/**
 * Follows one worker's beat. Lost = the counter stood still for 2 s in at least 4 looks (25 s when it
 * holds nothing), or, when its session is gone too, for 0.6 s in at least 3. Only the looker's own monotonic clock counts: a sleeping laptop, a Postgres restart or a stopped clock
 * loses nobody, because `forget` begins anew.
 */
export function judgeWorker(
  before: Standstill | null,
  look: Look,
): { readonly standstill: Standstill; readonly lost: boolean } {
  if (before === null || before.counter !== look.counter) {
    const standstill = { sinceMs: look.atMs, counter: look.counter, looks: 1, freeLooks: look.lockIsFree ? 1 : 0 };
    return { standstill, lost: false };
  }
  const standstill = {
    ...before,
    looks: before.looks + 1,
    freeLooks: look.lockIsFree ? before.freeLooks + 1 : 0,
  };
  const stillMs = look.atMs - before.sinceMs;
  const patience = look.busy > 0 ? lossRules.stillMs : lossRules.idleStillMs;
  const silent = stillMs >= patience && standstill.looks >= lossRules.looks;
  const gone = stillMs >= lossRules.freeStillMs && standstill.freeLooks >= lossRules.freeLooks;
  return { standstill, lost: silent || gone };
}
