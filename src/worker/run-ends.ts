import type pg from 'pg';
import { isTerminalRun } from '../domain/lifecycle.ts';
import { type ChildState, childStates } from '../store/child-runs.ts';

/** Waits for the ends of runs that blocks have started. */
export type RunEnds = {
  /**
   * Resolves when the run has ended, or `until` is aborted, with how it stands then; null when it was deleted. Never rejects: while
   * the database can't be reached, it waits.
   */
  readonly endOf: (runId: bigint, until: AbortSignal) => Promise<ChildState | null>;
  /** Some run has ended: it may be one of these. */
  readonly wake: () => void;
};

/** How often it is asked when nobody wakes it, in milliseconds. */
const lookMs = 1000;

type Waiter = {
  readonly runId: bigint;
  readonly settle: (state: ChildState | null) => void;
  readonly until: AbortSignal;
};

/** Makes a watch over runs; it asks for all of them at once, and only while somebody waits. */
export function watchRunEnds(pool: pg.Pool, onError: (error: unknown) => void): RunEnds {
  const waiters = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let again = false;

  async function look(): Promise<void> {
    clearTimeout(timer);
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    do {
      again = false;
      await lookOnce();
    } while (again);
    looking = false;
    if (waiters.size > 0) timer = setTimeout(look, lookMs);
  }

  async function lookOnce(): Promise<void> {
    const asked = [...waiters];
    if (asked.length === 0) return;
    try {
      const ids = [...new Set(asked.map((waiter) => waiter.runId))];
      const states = new Map((await childStates(pool, ids)).map((state) => [state.id, state]));
      for (const { runId, until, settle } of asked) {
        const state = states.get(runId) ?? null;
        if (state === null || isTerminalRun(state.status) || until.aborted) settle(state);
      }
    } catch (error) {
      onError(error);
      for (const { until, settle } of asked) if (until.aborted) settle(null);
    }
  }

  return {
    endOf: (runId, until) =>
      new Promise((resolve) => {
        const waiter: Waiter = {
          runId,
          until,
          settle: (state) => {
            waiters.delete(waiter);
            until.removeEventListener('abort', look);
            resolve(state);
          },
        };
        waiters.add(waiter);
        until.addEventListener('abort', look);
        void look();
      }),
    wake: () => {
      if (waiters.size > 0) void look();
    },
  };
}
