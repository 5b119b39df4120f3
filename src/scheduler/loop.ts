export type Loop = {
  /** Runs the work now; while it runs, once more afterwards. */
  readonly wake: () => void;
  /** Starts no further round; settles when the present one is over. */
  readonly stop: () => Promise<void>;
};

/**
 * A loop that waits on time: runs `work`, sleeps as many milliseconds as it answered, and begins again; `wake` cuts the sleep
 * short. Never two rounds at once. A round that fails is told and tried again, later each time up to 5 s.
 */
export function startLoop(work: () => Promise<number>, onError: (error: unknown) => void): Loop {
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | null = null;
  let again = false;
  let stopped = false;
  let failures = 0;

  async function once(): Promise<void> {
    let sleepMs: number;
    try {
      sleepMs = await work();
      failures = 0;
    } catch (error) {
      if (!stopped) onError(error);
      failures++;
      sleepMs = Math.min(100 * 2 ** failures, 5000);
    }
    round = null;
    if (stopped) return;
    if (again) {
      again = false;
      begin();
      return;
    }
    // setTimeout overflows above 2^31 ms; a loop that sleeps longer looks in between.
    timer = setTimeout(begin, Math.max(0, Math.min(sleepMs, 86_400_000)));
  }

  function begin(): void {
    clearTimeout(timer);
    if (stopped) return;
    if (round !== null) again = true;
    else round = once();
  }

  begin();
  return {
    wake: begin,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await round;
    },
  };
}
