/** Counts failed authentications by address. */
export type FailureLimit = {
  /** Notes one more failure of this address; true while it is still within its allowance. */
  readonly note: (address: string) => boolean;
  /** Whole seconds until the address is heard again. */
  readonly retryAfterSeconds: (address: string) => number;
};

/**
 * A fixed window per address. It slows failures only: a right token always passes, because a 256-bit secret can't be guessed at any rate,
 * while a lock-out by address would let one stray client shut out everybody behind the same proxy.
 * The limit protects the log and the processor, and makes guessing visible.
 */
export function createFailureLimit(options: {
  readonly failures: number;
  readonly windowMs: number;
  readonly now: () => number;
  /** Addresses remembered at most; beyond it the oldest are forgotten, so that a flood of addresses costs no memory. */
  readonly addresses?: number;
}): FailureLimit {
  const windows = new Map<string, { failures: number; readonly endsAt: number }>();
  const capacity = options.addresses ?? 10_000;

  return {
    note(address) {
      const now = options.now();
      const open = windows.get(address);
      if (open && open.endsAt > now) {
        open.failures += 1;
        return open.failures <= options.failures;
      }
      windows.delete(address);
      const [oldest] = windows.keys();
      if (windows.size >= capacity && oldest !== undefined) windows.delete(oldest);
      windows.set(address, { failures: 1, endsAt: now + options.windowMs });
      return true;
    },
    retryAfterSeconds(address) {
      const endsAt = windows.get(address)?.endsAt ?? options.now();
      return Math.max(1, Math.ceil((endsAt - options.now()) / 1000));
    },
  };
}
