import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Which attempt a piece of running code belongs to. A warm process runs one attempt after the other, and a timer or a promise
 * that one left behind may still speak while the next one runs: its words must not become the next one's.
 */
export type Attempt = {
  /** Whether its block took `signal`: then SIGTERM leaves it time to react. */
  signalTaken: boolean;
  readonly abort: AbortController;
  /** Fails the attempt from outside its function: an exception in a timer, a promise that can't settle any more. */
  readonly fail: (error: unknown) => void;
  /** Rejects with what it was failed with. */
  readonly failed: Promise<never>;
};

const attempts = new AsyncLocalStorage<Attempt>();
let current: Attempt | null = null;

/** Makes an attempt the current one, or none, and runs `work` as its code. */
export function enter<T>(attempt: Attempt, work: () => T): T {
  current = attempt;
  return attempts.run(attempt, work);
}

/** From now on no attempt runs. */
export function leave(): void {
  current = null;
}

/** The attempt that runs now, null between attempts. */
export function currentAttempt(): Attempt | null {
  return current;
}

/** Whether the calling code belongs to the attempt that runs now; code of unknown origin counts as the current attempt's. */
export function speaksForCurrent(): boolean {
  return current !== null && (attempts.getStore() ?? current) === current;
}
