import type { ConcurrencyConfig, RetryConfig } from '../domain/pipeline.ts';
import type { Fields } from './fields.ts';
import { concurrencyKeys, retryKeys } from './known-keys.ts';
import type { Environment } from './templates.ts';

/** A `retry_config` over the level above it: what is not set, or null, is inherited. */
export function readRetryConfig(owner: Fields, inherited: RetryConfig): RetryConfig {
  if (!owner.has('retry_config')) return inherited;
  const config = owner.fields('retry_config');
  config.warnOfSlips(retryKeys);
  return {
    retries: config.number('retries', { min: 0, integer: true }) ?? inherited.retries,
    delaySeconds: config.number('delay', { min: 0 }) ?? inherited.delaySeconds,
    maxDelaySeconds: config.number('max_delay', { min: 0 }) ?? inherited.maxDelaySeconds,
    exponentialBackoff: config.flag('exponential_backoff') ?? inherited.exponentialBackoff,
    retryOnTimeout: config.flag('retry_on_timeout') ?? inherited.retryOnTimeout,
  };
}

/** A pipeline's `concurrency_config`, with the defaults that the environment sets. 0 is allowed: it holds everything back. */
export function readConcurrency(pipeline: Fields, env: Environment): ConcurrencyConfig {
  const config = pipeline.fields('concurrency_config');
  config.warnOfSlips(concurrencyKeys);
  const limit = (key: string) => config.number(key, { min: 0, integer: true });
  return {
    blockRunLimit: limit('block_run_limit') ?? environmentLimit(env.CONCURRENCY_CONFIG_BLOCK_RUN_LIMIT),
    pipelineRunLimit: limit('pipeline_run_limit') ?? environmentLimit(env.CONCURRENCY_CONFIG_PIPELINE_RUN_LIMIT),
    pipelineRunLimitAllTriggers: limit('pipeline_run_limit_all_triggers'),
    onPipelineRunLimitReached: config.oneOf('on_pipeline_run_limit_reached', ['wait', 'skip']) ?? 'wait',
  };
}

function environmentLimit(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}
