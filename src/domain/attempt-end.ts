import { nextRetryAt } from './backoff.ts';
import type { RunError, StatusReasonCode } from './lifecycle.ts';
import type { JsonObject, RetryConfig } from './pipeline.ts';
import { nextCallAt } from './sensor.ts';

/** Why a worker told an attempt to stop; null when it did not. */
export type StopCause = 'run_ends' | 'timeout' | 'shutdown' | null;

/** How an attempt's process ended, as far as judging it needs to know. */
export type AttemptEnd = {
  readonly status: 'completed' | 'not_yet' | 'tests_failed' | 'failed' | 'process_died' | 'stopped';
  readonly error: { readonly type: string; readonly message: string; readonly stackTrace: string | null } | null;
  readonly failedTests: readonly { readonly name: string; readonly message: string | null }[];
  readonly diedMessage: string;
  readonly outOfMemory: boolean;
};

export type Verdict = {
  readonly outcome: 'completed' | 'wait' | 'failed' | 'retry' | 'requeue' | 'stopped';
  readonly code: StatusReasonCode;
  readonly message: string;
  readonly error: RunError | null;
  /** When the next attempt is due, or the next call of a sensor. */
  readonly retryAt: Date | null;
};

/**
 * Judges an attempt that ended: what its block run comes to, and why. Failed attempts and failed tests are tried again while
 * `retry_config` has retries left; a timeout only with `retry_on_timeout`, what was told to stop never.
 */
export function judgeAttempt(
  end: AttemptEnd,
  block: {
    readonly uuid: string;
    readonly configuration: JsonObject;
    readonly retryConfig: RetryConfig;
    readonly retriesUsed: number;
    readonly timeoutSeconds: number | null;
  },
  stopped: StopCause,
  now: Date,
): Verdict {
  // What ends by itself after its deadline was too late, however it ends.
  if (end.status === 'completed' && stopped !== 'timeout') {
    return { outcome: 'completed', code: 'SUCCEEDED', message: 'It completed.', error: null, retryAt: null };
  }
  if (end.status === 'not_yet' && (stopped === null || stopped === 'shutdown')) {
    const retryAt = nextCallAt(block.configuration, now);
    return { outcome: 'wait', code: 'OTHER', message: 'It said no; it is asked again.', error: null, retryAt };
  }
  if (stopped === 'shutdown') {
    return {
      outcome: 'requeue',
      code: 'SHUTDOWN',
      message: 'Its worker shut down; it runs again.',
      error: null,
      retryAt: null,
    };
  }
  if (stopped === 'run_ends') {
    return {
      outcome: 'stopped',
      code: 'RUN_ENDED',
      message: 'It was stopped because its run ended.',
      error: null,
      retryAt: null,
    };
  }
  const failure = stopped === 'timeout' ? timedOut(block.timeoutSeconds) : failureOf(end);
  const error: RunError = {
    blockUuid: block.uuid,
    type: failure.type,
    message: failure.message,
    stackTrace: end.error?.stackTrace ?? null,
  };
  const isFinal = stopped === 'timeout' && !block.retryConfig.retryOnTimeout;
  const retryAt = isFinal ? null : nextRetryAt(block.retryConfig, block.retriesUsed, now);
  return {
    outcome: retryAt === null ? 'failed' : 'retry',
    code: failure.code,
    message: failure.message,
    error,
    retryAt,
  };
}

type Failure = { readonly code: StatusReasonCode; readonly type: string | null; readonly message: string };

function timedOut(seconds: number | null): Failure {
  return { code: 'TIMED_OUT', type: 'Timeout', message: `It ran longer than its timeout of ${seconds} s.` };
}

function failureOf(end: AttemptEnd): Failure {
  switch (end.status) {
    case 'tests_failed': {
      const names = end.failedTests
        .map((test) => (test.message ? `${test.name} (${test.message})` : test.name))
        .join(', ');
      return { code: 'TESTS_FAILED', type: 'TestsFailed', message: `Its tests failed: ${names}` };
    }
    case 'process_died':
      return {
        code: end.outOfMemory ? 'OUT_OF_MEMORY' : 'PROCESS_DIED',
        type: 'ProcessDied',
        message: end.diedMessage,
      };
    case 'stopped':
      return { code: 'PROCESS_DIED', type: 'ProcessDied', message: 'Its process was stopped from outside.' };
    default:
      return {
        code: end.error?.type === 'DiskFull' ? 'DISK_FULL' : 'BLOCK_ERROR',
        type: end.error?.type ?? null,
        message: end.error?.message ?? 'It failed.',
      };
  }
}
