import { describe, expect, test } from 'vitest';
import { type AttemptEnd, judgeAttempt } from '../../src/domain/attempt-end.ts';
import { nextRetryAt } from '../../src/domain/backoff.ts';
import { defaultRetryConfig } from '../../src/domain/pipeline.ts';

const now = new Date('2026-01-01T00:00:00Z');
const block = { uuid: 'load', configuration: {}, retryConfig: defaultRetryConfig, retriesUsed: 0, timeoutSeconds: 60 };
const end = (given: Partial<AttemptEnd>): AttemptEnd => ({
  status: 'completed',
  error: null,
  failedTests: [],
  diedMessage: 'killed by SIGKILL',
  outOfMemory: false,
  ...given,
});
const boom = { type: 'ValueError', message: 'boom', stackTrace: 'at load' };

describe('how an attempt is judged', () => {
  test('completed', () => {
    expect(judgeAttempt(end({}), block, null, now)).toMatchObject({
      outcome: 'completed',
      code: 'SUCCEEDED',
      error: null,
    });
  });

  test('an error keeps its type, message and stack', () => {
    expect(judgeAttempt(end({ status: 'failed', error: boom }), block, null, now)).toMatchObject({
      outcome: 'failed',
      code: 'BLOCK_ERROR',
      error: { blockUuid: 'load', ...boom },
    });
  });

  test('a failed test fails the block and is named', () => {
    const verdict = judgeAttempt(
      end({ status: 'tests_failed', failedTests: [{ name: 'has_rows', message: 'empty' }] }),
      block,
      null,
      now,
    );
    expect(verdict).toMatchObject({
      outcome: 'failed',
      code: 'TESTS_FAILED',
      message: 'Its tests failed: has_rows (empty)',
    });
  });

  test('a dead process, with and without memory', () => {
    expect(judgeAttempt(end({ status: 'process_died' }), block, null, now)).toMatchObject({
      code: 'PROCESS_DIED',
      message: 'killed by SIGKILL',
    });
    expect(judgeAttempt(end({ status: 'process_died', outOfMemory: true }), block, null, now).code).toBe(
      'OUT_OF_MEMORY',
    );
  });

  test('while retries are left it is tried again later; a timeout only with retry_on_timeout', () => {
    const patient = { ...block, retryConfig: { ...defaultRetryConfig, retries: 1 } };
    expect(judgeAttempt(end({ status: 'failed', error: boom }), patient, null, now)).toMatchObject({
      outcome: 'retry',
      retryAt: new Date('2026-01-01T00:00:05Z'),
    });
    expect(judgeAttempt(end({ status: 'stopped' }), patient, 'timeout', now)).toMatchObject({
      outcome: 'failed',
      code: 'TIMED_OUT',
    });
    const forgiving = { ...patient, retryConfig: { ...patient.retryConfig, retryOnTimeout: true } };
    expect(judgeAttempt(end({ status: 'stopped' }), forgiving, 'timeout', now)).toMatchObject({
      outcome: 'retry',
      code: 'TIMED_OUT',
      retryAt: new Date('2026-01-01T00:00:05Z'),
    });
    expect(
      judgeAttempt(end({ status: 'failed', error: boom }), { ...patient, retriesUsed: 1 }, null, now).outcome,
    ).toBe('failed');
  });

  test('what was told to stop is stopped, and a shutdown gives it back', () => {
    expect(judgeAttempt(end({ status: 'stopped' }), block, 'run_ends', now).outcome).toBe('stopped');
    expect(judgeAttempt(end({ status: 'process_died' }), block, 'shutdown', now).outcome).toBe('requeue');
  });

  test('a sensor that said no waits for its next call, also when its worker shuts down', () => {
    const at = (interval: unknown) =>
      judgeAttempt(
        end({ status: 'not_yet' }),
        { ...block, configuration: { interval: interval as string } },
        null,
        now,
      );
    expect(at(5)).toMatchObject({ outcome: 'wait', error: null, retryAt: new Date(now.getTime() + 5000) });
    expect(at('0.5').retryAt).toEqual(new Date(now.getTime() + 500));
    for (const none of [null, 0, -1, 'soon']) expect(at(none).retryAt).toEqual(new Date(now.getTime() + 60_000));
    expect(judgeAttempt(end({ status: 'not_yet' }), block, 'shutdown', now).outcome).toBe('wait');
  });

  test('a sensor that said no when its deadline had passed or its run ended does not wait', () => {
    expect(judgeAttempt(end({ status: 'not_yet' }), block, 'timeout', now)).toMatchObject({
      outcome: 'failed',
      code: 'TIMED_OUT',
    });
    expect(judgeAttempt(end({ status: 'not_yet' }), block, 'run_ends', now).outcome).toBe('stopped');
  });

  test('one that completed although it was told to stop has completed', () => {
    expect(judgeAttempt(end({}), block, 'shutdown', now).outcome).toBe('completed');
    expect(judgeAttempt(end({}), block, 'run_ends', now).outcome).toBe('completed');
  });

  test('one that uses its grace to complete after its deadline has timed out all the same', () => {
    expect(judgeAttempt(end({}), block, 'timeout', now)).toMatchObject({ outcome: 'failed', code: 'TIMED_OUT' });
  });
});

test('waits double and are capped each', () => {
  const config = { retries: 5, delaySeconds: 5, maxDelaySeconds: 30, exponentialBackoff: true, retryOnTimeout: false };
  const waits = [0, 1, 2, 3, 4, 5].map((used) => nextRetryAt(config, used, now));
  expect(waits.map((at) => at && (at.getTime() - now.getTime()) / 1000)).toEqual([5, 10, 20, 30, 30, null]);
  expect(nextRetryAt({ ...config, exponentialBackoff: false }, 4, now)).toEqual(new Date(now.getTime() + 5000));
});
