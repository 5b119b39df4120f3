import type { RetryConfig } from './pipeline.ts';

/**
 * When the next automatic attempt is due after `retriesUsed` retries; null when the budget is spent. The wait is
 * delay · 2^n (or delay without back-off), each wait capped by max_delay.
 */
export function nextRetryAt(config: RetryConfig, retriesUsed: number, now: Date): Date | null {
  if (retriesUsed >= config.retries) return null;
  const factor = config.exponentialBackoff ? 2 ** Math.min(retriesUsed, 30) : 1;
  const seconds = Math.min(config.delaySeconds * factor, config.maxDelaySeconds);
  return new Date(now.getTime() + seconds * 1000);
}
