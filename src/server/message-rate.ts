/** A leaky bucket for the messages of one socket. */
export type MessageRate = {
  /** Counts a message; returns how many milliseconds to stop reading, 0 when it is within the rate. */
  readonly take: () => number;
};

/**
 * Paces instead of punishing: a client that is too fast is read more slowly, and the network tells it so. Nothing is lost, and a legitimate burst
 * (a page that opens all its subscriptions again) costs it no connection.
 */
export function createMessageRate(perSecond: number, now: () => number): MessageRate {
  const burst = perSecond * 2;
  let tokens = burst;
  let countedAt = now();

  return {
    take() {
      const at = now();
      tokens = Math.min(burst, tokens + ((at - countedAt) / 1000) * perSecond) - 1;
      countedAt = at;
      return tokens >= 0 ? 0 : Math.ceil((-tokens / perSecond) * 1000);
    },
  };
}
