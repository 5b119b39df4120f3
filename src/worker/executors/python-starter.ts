import { setTimeout as sleep } from 'node:timers/promises';

const firstPauseMs = 100;
const longestPauseMs = 10_000;

/** Starts something when it is needed, never twice at once, and after failures only after a pause that grows to ten seconds. */
export type Starter = {
  /** Resolves when the start that is under way, or a new one, has succeeded or failed. Never rejects. */
  readonly start: () => Promise<void>;
  /** What was started has died: the next start waits a moment. */
  readonly pause: () => void;
  /** Ends a pause or a start that is under way, and allows no other. */
  readonly stop: () => Promise<void>;
};

/** `attempt` gets a signal that is aborted by `stop`; `onFailure` hears of its rejections. */
export function createStarter(
  attempt: (signal: AbortSignal) => Promise<void>,
  onFailure: (error: unknown) => void,
): Starter {
  const stopping = new AbortController();
  let underWay: Promise<void> | null = null;
  let failures = 0;
  let notBefore = 0;

  function pause(): void {
    notBefore = performance.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
    failures += 1;
  }

  async function tryOnce(): Promise<void> {
    try {
      const delay = notBefore - performance.now();
      if (delay > 0) await sleep(delay, undefined, { signal: stopping.signal });
      await attempt(stopping.signal);
      failures = 0;
      underWay = null;
    } catch (error) {
      pause();
      // Over before anybody hears of it: whoever asks again upon the news gets a new try.
      underWay = null;
      onFailure(error);
    }
  }

  return {
    start: () => {
      if (stopping.signal.aborted) return Promise.resolve();
      underWay ??= tryOnce();
      return underWay;
    },
    pause,
    stop: async () => {
      stopping.abort();
      await underWay;
    },
  };
}
