/** One look at a worker, at a monotonic time in milliseconds of the looker's own clock. */
export type Look = {
  readonly atMs: number;
  /** null when the worker has no beat row: it has not beaten yet, or a Postgres crash emptied the table. */
  readonly counter: bigint | null;
  /** What it said at its newest beat: that it rests, and beats every 10 s only. */
  readonly rests: boolean;
  /** The session that holds the worker's lock is gone. A hint only: the network may have cut it. */
  readonly lockIsFree: boolean;
};

/** What is remembered of a worker between looks: how long its counter has been seen to stand still, and in how many looks. */
export type Standstill = {
  readonly counter: bigint | null;
  readonly atMs: number;
  readonly stillMs: number;
  readonly looks: number;
  /** Its lock was seen held: only then does a free one say that somebody let go of it. */
  readonly lockWasHeld: boolean;
  readonly freeLooks: number;
};

/**
 * How long a counter stands still before its worker is lost: beats come every 500 ms, every 10 s from one that
 * said that it rests. (What it holds says less: one that claimed something since its last beat is stopped like any other.) Between two looks at most `creditMs` count: when the looker slept or its database did not answer, so may have everybody.
 */
const lossRules = {
  stillMs: 2000,
  idleStillMs: 25_000,
  looks: 4,
  freeStillMs: 600,
  freeLooks: 3,
  creditMs: 500,
} as const;

/** Looks at an idle machine's workers come every 2 s; those must not stretch the patience with an idle worker. */
const idleCreditMs = 2500;

/**
 * Follows one worker's beat. Lost = the counter stood still for 2 s in at least 4 looks (25 s when it rests), or, when
 * its session was there and is gone too, for 0.6 s in at least 3. Only the looker's own monotonic clock counts, and only while
 * it looks: a sleeping laptop, a Postgres restart or a stopped clock loses nobody. After a Postgres crash every lock is free and
 * no beat is left, so a lock that was never seen held hints at nothing, and a missing beat may be that of a busy worker.
 */
export function judgeWorker(
  before: Standstill | null,
  look: Look,
): { readonly standstill: Standstill; readonly lost: boolean } {
  const { atMs, counter } = look;
  // Without a beat Postgres has crashed since, and every lock went with it.
  const lockWasHeld = !look.lockIsFree || (counter !== null && (before?.lockWasHeld ?? false));
  const freeLooks = look.lockIsFree && lockWasHeld ? 1 : 0;
  if (before === null || before.counter !== counter) {
    return { standstill: { counter, atMs, stillMs: 0, looks: 1, lockWasHeld, freeLooks }, lost: false };
  }
  const rests = look.rests && counter !== null;
  const standstill = {
    counter,
    atMs,
    stillMs: before.stillMs + Math.min(atMs - before.atMs, rests ? idleCreditMs : lossRules.creditMs),
    looks: before.looks + 1,
    lockWasHeld,
    freeLooks: freeLooks === 0 ? 0 : before.freeLooks + 1,
  };
  const silent =
    standstill.stillMs >= (rests ? lossRules.idleStillMs : lossRules.stillMs) && standstill.looks >= lossRules.looks;
  const gone = standstill.stillMs >= lossRules.freeStillMs && standstill.freeLooks >= lossRules.freeLooks;
  return { standstill, lost: silent || gone };
}
