import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admitRuns } from '../../src/engine/admit-runs.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { type RetryPipelineRunInput, retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { timeOutRuns } from '../../src/engine/time-out-runs.ts';
import { triggerPipelineRun } from '../../src/engine/trigger-pipeline.ts';
import type { Claim } from '../../src/store/step.ts';
import { claimsToStop, endWorker, workersThatLeftWork } from '../../src/store/workers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(() => engine.close());

const diamond = [[], [0], [0], [1, 2]] as const;
const ask = {
  pipelineUuid: 'p',
  triggerId: null,
  variables: {},
  executionDate: null,
  idempotencyKey: null,
  cause: 'api',
  actor: 'ada',
} as const;
const retry = (runId: bigint, given: Partial<RetryPipelineRunInput> = {}) =>
  retryPipelineRun(engine.context, {
    runId,
    mode: 'incomplete',
    fromBlock: null,
    variables: {},
    reason: null,
    expectedAttempt: null,
    actor: 'ada',
    ...given,
  });
const cancel = (runId: bigint) => cancelPipelineRun(engine.context, { runId, reason: 'enough', actor: 'ada' });

async function report(
  claims: readonly Claim[],
  outcome: 'completed' | 'failed' | 'stopped' = 'completed',
  want = 0,
): Promise<readonly Claim[]> {
  const { claims: next, unsettled } = await worker.step(
    want,
    claims.map((claim) => ended(claim, outcome)),
  );
  await settleRuns(engine.context, unsettled);
  return next;
}

describe('trigger', () => {
  test('an unknown pipeline is refused by name', async () => {
    const answer = await triggerPipelineRun(engine.context, { ...ask, pipelineUuid: 'nobody' });
    expect(answer).toMatchObject({
      ok: false,
      refusal: { code: 'NOT_FOUND', message: expect.stringContaining('nobody') },
    });
  });

  test('a broken pipeline is refused with its problems', async () => {
    await engine.pipeline('broken', [[]], { isRunnable: false });
    const answer = await triggerPipelineRun(engine.context, { ...ask, pipelineUuid: 'broken' });
    expect(answer).toMatchObject({
      ok: false,
      refusal: { code: 'PIPELINE_INVALID', problems: [{ message: 'It is broken.' }] },
    });
  });

  test('variables over 64 KB are refused', async () => {
    const answer = await triggerPipelineRun(engine.context, { ...ask, variables: { big: 'x'.repeat(65 * 1024) } });
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'INVALID_INPUT', path: ['input', 'variables'] } });
  });

  test('one key makes one run of twenty calls at once; the same key with another input is a conflict', async () => {
    await engine.pipeline('keyed', [[]], { variables: { a: 1 } });
    const call = (variables: Record<string, number>) =>
      triggerPipelineRun(engine.context, { ...ask, pipelineUuid: 'keyed', idempotencyKey: 'k', variables });
    const answers = await Promise.all(Array.from({ length: 20 }, () => call({ x: 1 })));
    const runs = new Set(answers.map((answer) => answer.ok && answer.value.runId));
    expect(runs.size).toBe(1);
    expect(answers.filter((answer) => answer.ok && !answer.value.wasReplayed)).toHaveLength(1);
    expect(await call({ x: 2 })).toMatchObject({
      ok: false,
      refusal: { code: 'CONFLICT', existingRunId: [...runs][0] },
    });
    await admitRuns(engine.context);
    await report((await worker.step(1)).claims);
  });

  test('runs beyond the pipeline’s limit wait until one ends', async () => {
    await engine.pipeline('limited', [[]], { concurrency: { pipelineRunLimit: 1 } });
    const first = await engine.start('limited');
    const second = await engine.start('limited');
    expect((await engine.runRow(second)).status).toBe('initial');
    await report((await worker.step(1)).claims);
    expect((await engine.runRow(first)).status).toBe('completed');
    expect(await admitRuns(engine.context)).toMatchObject({ started: 1, areSomeWaiting: false });
    await report((await worker.step(1)).claims);
    expect((await engine.runRow(second)).status).toBe('completed');
  });
});

describe('a failure', () => {
  test('stops the run: descendants upstream_failed, the sibling stopped, then failed with the first error', async () => {
    await engine.pipeline('failing', diamond);
    const run = await engine.start('failing');
    const siblings = await report((await worker.step(1)).claims, 'completed', 2);
    const [bad, good] = siblings as [Claim, Claim];
    await report([bad], 'failed');
    expect(await engine.runRow(run)).toMatchObject({ status: 'running', ending_status: 'failed' });
    const held = [{ blockRunId: good.id, fence: good.fence }];
    expect(await claimsToStop(engine.database.pool, worker.id, held)).toEqual({ stop: [good.id], lost: [] });
    await report([good], 'completed');
    expect(await engine.runRow(run)).toMatchObject({
      status: 'failed',
      ending_status: null,
      reason_code: 'BLOCK_FAILED',
      error: { message: 'boom' },
    });
    expect([...(await engine.statuses(run))].sort()).toEqual(['cancelled', 'completed', 'failed', 'upstream_failed']);
    const attempt = await engine.database.pool.query('select status from block_attempt where block_run_id = $1', [
      good.id,
    ]);
    expect(attempt.rows).toEqual([{ status: 'completed' }]);
    await expectInvariants(engine.database, run);
  });
});

describe('cancel', () => {
  test('a run that has not started is cancelled at once', async () => {
    await engine.pipeline('waiting', [[]], { concurrency: { pipelineRunLimit: 0 } });
    const answer = await triggerPipelineRun(engine.context, { ...ask, pipelineUuid: 'waiting' });
    if (!answer.ok) throw new Error('refused');
    await cancel(answer.value.runId);
    expect(await engine.runRow(answer.value.runId)).toMatchObject({
      status: 'cancelled',
      reason_code: 'CANCELLED_BY_USER',
      reason_actor: 'ada',
    });
    await expectInvariants(engine.database, answer.value.runId);
  });

  test('a running run ends when its last block is gone; a second cancel is the first', async () => {
    await engine.pipeline('busy', diamond);
    const run = await engine.start('busy');
    const { claims } = await worker.step(1);
    expect((await cancel(run)).ok).toBe(true);
    const events = (await engine.runRow(run)).event_seq;
    expect((await cancel(run)).ok).toBe(true);
    expect((await engine.runRow(run)).event_seq).toBe(events);
    expect(await engine.statuses(run)).toEqual(['running', 'cancelled', 'cancelled', 'cancelled']);
    await report(claims, 'stopped');
    expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', reason_message: 'Cancelled by ada: enough' });
    expect(await cancel(run)).toMatchObject({
      ok: false,
      refusal: { code: 'INVALID_STATE', currentStatus: 'cancelled' },
    });
    await expectInvariants(engine.database, run);
  });

  test('a run that waits for an automatic retry is cancelled at once, and the retry never comes', async () => {
    await engine.pipeline('backing_off', [[]]);
    const run = await engine.start('backing_off');
    const [claim] = (await worker.step(1)).claims as [Claim];
    const inAMinute = new Date(Date.now() + 60_000);
    await worker.step(0, [{ ...ended(claim, 'retry'), retryAt: inAMinute }]);
    expect(await engine.statuses(run)).toEqual(['queued']);
    await cancel(run);
    expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', reason_code: 'CANCELLED_BY_USER' });
    expect(await engine.statuses(run)).toEqual(['cancelled']);
    engine.setNow(new Date(inAMinute.getTime() + 1000));
    expect((await worker.step(1)).claims).toEqual([]);
    engine.setNow(null);
    await expectInvariants(engine.database, run);
  });

  test('fifty cancels of one run while its blocks end have one effect', async () => {
    await engine.pipeline('raced', [[], [], [], []]);
    const run = await engine.start('raced');
    const { claims } = await worker.step(4);
    await Promise.all([
      ...Array.from({ length: 50 }, () => cancel(run)),
      report(claims.slice(0, 2)),
      report(claims.slice(2), 'failed'),
    ]);
    await settleRuns(engine.context);
    const row = await engine.runRow(run);
    expect(['cancelled', 'failed']).toContain(row.status);
    const asked = await engine.database.pool.query(
      `select 1 from run_event where pipeline_run_id = $1 and kind = 'cancel_requested'`,
      [run],
    );
    expect(asked.rows.length).toBeLessThanOrEqual(1);
    await expectInvariants(engine.database, run);
  });

  test('an unknown run is not found', async () => {
    expect(await cancel(999_999n)).toMatchObject({ ok: false, refusal: { code: 'NOT_FOUND' } });
  });
});

describe('retry', () => {
  async function failedRun(uuid: string): Promise<bigint> {
    await engine.pipeline(uuid, diamond);
    const run = await engine.start(uuid);
    const [bad, good] = (await report((await worker.step(1)).claims, 'completed', 2)) as [Claim, Claim];
    await report([bad], 'failed');
    await report([good], 'stopped');
    return run;
  }

  test('INCOMPLETE runs again what did not complete, in the same run, and keeps the first attempt', async () => {
    const run = await failedRun('to_retry');
    expect(await retry(run)).toEqual({ ok: true, value: { runId: run } });
    expect(await engine.runRow(run)).toMatchObject({ status: 'initial', attempt: 2, completed_at: null, error: null });
    await admitRuns(engine.context);
    let held = (await worker.step(4)).claims;
    expect(held.map((claim) => [claim.uuid, claim.attempt, claim.runAttempt]).sort()).toEqual([
      ['b2', 2, 2],
      ['b3', 2, 2],
    ]);
    while (held.length > 0) held = await report(held, 'completed', 4);
    expect((await engine.runRow(run)).status).toBe('completed');
    const attempts = await engine.database.pool.query(
      'select number, mode, status from pipeline_run_attempt where pipeline_run_id = $1 order by 1',
      [run],
    );
    expect(attempts.rows).toEqual([
      { number: 1, mode: null, status: 'failed' },
      { number: 2, mode: 'incomplete', status: 'completed' },
    ]);
    await expectInvariants(engine.database, run);
  });

  test('FROM_BLOCK runs again that block and what is below it', async () => {
    await engine.pipeline('from_block', diamond);
    const run = await engine.start('from_block');
    let held = (await worker.step(4)).claims;
    while (held.length > 0) held = await report(held, 'completed', 4);
    expect((await retry(run, { mode: 'from_block', fromBlock: 'b2' })).ok).toBe(true);
    expect(await engine.statuses(run)).toEqual(['completed', 'initial', 'completed', 'initial']);
    await admitRuns(engine.context);
    held = (await worker.step(4)).claims;
    expect(held.map((claim) => claim.uuid)).toEqual(['b2']);
    while (held.length > 0) held = await report(held, 'completed', 4);
    expect((await engine.runRow(run)).status).toBe('completed');
    await expectInvariants(engine.database, run);
  });

  test('FROM_BLOCK of a cancelled run ends although the other blocks stay cancelled', async () => {
    await engine.pipeline('partly', [[], []]);
    const run = await engine.start('partly');
    await cancel(run);
    await retry(run, { mode: 'from_block', fromBlock: 'b1' });
    await admitRuns(engine.context);
    await settleRuns(engine.context);
    await report((await worker.step(4)).claims);
    expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled' });
    expect(await engine.statuses(run)).toEqual(['completed', 'cancelled']);
    await expectInvariants(engine.database, run);
  });

  test('ALL makes a new run, and only one while it has not ended', async () => {
    const run = await failedRun('retry_all');
    const answer = await retry(run, { mode: 'all' });
    if (!answer.ok) throw new Error(answer.refusal.message);
    expect(await engine.runRow(answer.value.runId)).toMatchObject({
      retry_of_id: run,
      root_run_id: run,
      cause: 'retry',
      status: 'initial',
    });
    expect((await engine.runRow(run)).is_newest).toBe(false);
    expect(await retry(run, { mode: 'all' })).toMatchObject({
      ok: false,
      refusal: { code: 'CONFLICT', existingRunId: answer.value.runId },
    });
    await cancel(answer.value.runId);
  });

  test('of twenty retries with one expectedAttempt, one has an effect', async () => {
    const run = await failedRun('retry_race');
    const answers = await Promise.all(Array.from({ length: 20 }, () => retry(run, { expectedAttempt: 1 })));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
    expect((await engine.runRow(run)).attempt).toBe(2);
    await cancel(run);
    await expectInvariants(engine.database, run);
  });

  test('of many with one expectedAttempt and mode ALL too, also when the new run ends between two of them', async () => {
    const run = await failedRun('retry_all_race');
    const first = await retry(run, { mode: 'all', expectedAttempt: 1 });
    if (!first.ok) throw new Error(first.refusal.message);
    await cancel(first.value.runId);
    expect(await retry(run, { mode: 'all', expectedAttempt: 1 })).toMatchObject({
      ok: false,
      refusal: { code: 'CONFLICT', existingRunId: first.value.runId },
    });
    const again = await retry(run, { mode: 'all' });
    if (!again.ok) throw new Error(again.refusal.message);
    await cancel(again.value.runId);
  });

  test('given variables override from then on; a mask means unchanged', async () => {
    const run = await failedRun('retry_variables');
    await retry(run, { variables: { fail: false, api_token: '********' } });
    expect((await engine.runRow(run)).variables).toMatchObject({ fail: false });
    expect((await engine.runRow(run)).variables).not.toHaveProperty('api_token');
    await cancel(run);
  });

  test('the history names the variables that a retry set, and tells no secret', async () => {
    const run = await failedRun('retry_told');
    await retry(run, {
      variables: { fail: false, nested: { db_password: 'hunter2' }, api_token: 'abc', long: 'x'.repeat(500) },
    });
    const told = await engine.database.pool.query<{ reason_message: string; actor: string }>(
      `select reason_message, actor from run_event where pipeline_run_id = $1 and kind = 'variables_changed'`,
      [run],
    );
    expect(told.rows).toEqual([
      {
        actor: 'ada',
        reason_message: `Set for this retry and later ones: fail = false, nested = {"db_password":"********"}, api_token = "********", long = "${'x'.repeat(79)}….`,
      },
    ]);
    expect((await engine.runRow(run)).variables).toMatchObject({ api_token: 'abc' });
    await cancel(run);
  });

  test('so does that of a new run, and the old one says what repeats it and why', async () => {
    const run = await failedRun('retry_all_told');
    const answer = await retry(run, { mode: 'all', variables: { db_password: 'hunter2' }, reason: 'the disk is new' });
    if (!answer.ok) throw new Error(answer.refusal.message);
    const { runId } = answer.value;
    const told = await engine.database.pool.query(
      `select pipeline_run_id, kind, actor, reason_message from run_event
        where pipeline_run_id = any($1) and kind in ('variables_changed', 'run_retried') order by 1`,
      [[run, runId]],
    );
    const actor = 'ada';
    expect(told.rows).toEqual([
      { pipeline_run_id: run, kind: 'run_retried', actor, reason_message: `As run_${runId}. the disk is new` },
      {
        pipeline_run_id: runId,
        kind: 'variables_changed',
        actor,
        reason_message: 'Set for this retry and later ones: db_password = "********".',
      },
    ]);
    await cancel(runId);
    await expectInvariants(engine.database, run);
    await expectInvariants(engine.database, runId);
  });

  test('a cancelled, retried and cancelled run ends right each time', async () => {
    await engine.pipeline('again_and_again', diamond);
    const run = await engine.start('again_and_again');
    for (let round = 0; round < 3; round++) {
      const { claims } = await worker.step(4);
      await cancel(run);
      await report(claims, 'stopped');
      expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', cancel_requested_at: expect.any(Date) });
      await retry(run);
      expect(await engine.runRow(run)).toMatchObject({ status: 'initial', cancel_requested_at: null });
      await admitRuns(engine.context);
    }
    await admitRuns(engine.context);
    await cancel(run);
    await expectInvariants(engine.database, run);
    await engine.database.pool.query('delete from ready');
  });
});

describe('a lost worker', () => {
  test('its blocks are queued again at once, and fail when it happens too often', async () => {
    await engine.pipeline('unlucky', [[]], { crashRetries: 1 });
    const run = await engine.start('unlucky');
    const first = await engine.worker();
    const claims = (await first.step(1)).claims;
    expect(await releaseLostClaims(engine.context, first.id)).toBe(1);
    expect(await engine.statuses(run)).toEqual(['queued']);
    // The late answer of the lost one.
    await first.step(
      0,
      claims.map((claim) => ended(claim)),
    );
    expect(await engine.statuses(run)).toEqual(['queued']);

    const second = await engine.worker();
    expect((await second.step(1)).claims[0]).toMatchObject({ uuid: 'b1', attempt: 2 });
    await releaseLostClaims(engine.context, second.id);
    await settleRuns(engine.context);
    expect(await engine.runRow(run)).toMatchObject({ status: 'failed', error: { type: 'WorkerLost' } });
    const attempts = await engine.database.pool.query(
      'select number, status, reason_code from block_attempt where pipeline_run_id = $1 order by 1',
      [run],
    );
    expect(attempts.rows).toEqual([
      { number: 1, status: 'failed', reason_code: 'WORKER_LOST' },
      { number: 2, status: 'failed', reason_code: 'WORKER_LOST' },
    ]);
    await expectInvariants(engine.database, run);
  });

  test('one that has ended and still holds block runs is found, once both lie some time back', async () => {
    await engine.pipeline('left_work', [[]]);
    await engine.start('left_work');
    const gone = await engine.worker();
    expect((await gone.step(1)).claims).toHaveLength(1);
    const inAWhile = new Date(Date.now() + 60_000);
    expect(await workersThatLeftWork(engine.database.pool, inAWhile)).not.toContain(gone.id);
    await endWorker(engine.database.pool, gone.id, new Date());
    expect(await workersThatLeftWork(engine.database.pool, inAWhile)).toContain(gone.id);
    expect(await workersThatLeftWork(engine.database.pool, new Date(Date.now() - 5000))).not.toContain(gone.id);
    await releaseLostClaims(engine.context, gone.id);
    expect(await workersThatLeftWork(engine.database.pool, inAWhile)).not.toContain(gone.id);
  });

  test('what it was stopping is cancelled, and its attempt says that the worker was lost', async () => {
    await engine.pipeline('lost_while_stopping', [[]]);
    const run = await engine.start('lost_while_stopping');
    const lost = await engine.worker();
    await lost.step(1);
    await cancel(run);
    await releaseLostClaims(engine.context, lost.id);
    await settleRuns(engine.context);
    expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', reason_code: 'CANCELLED_BY_USER' });
    const attempts = await engine.database.pool.query(
      'select status, reason_code from block_attempt where pipeline_run_id = $1',
      [run],
    );
    expect(attempts.rows).toEqual([{ status: 'failed', reason_code: 'WORKER_LOST' }]);
    await expectInvariants(engine.database, run);
  });
});

describe('a timeout', () => {
  test('one second over fails the run; one second under does not', async () => {
    await engine.pipeline('slow', [[]]);
    const run = await engine.start('slow');
    const { claims } = await worker.step(1);
    const started = new Date();
    await engine.database.pool.query(
      `update pipeline_run set timeout_seconds = 600, timeout_at = $2::timestamptz + interval '600 s' where id = $1`,
      [run, started],
    );
    engine.setNow(new Date(started.getTime() + 599_000));
    expect(await timeOutRuns(engine.context)).toBe(0);
    engine.setNow(new Date(started.getTime() + 601_000));
    expect(await timeOutRuns(engine.context)).toBe(1);
    engine.setNow(null);
    await report(claims, 'stopped');
    expect(await engine.runRow(run)).toMatchObject({ status: 'failed', reason_code: 'TIMED_OUT', timed_out: true });
    await expectInvariants(engine.database, run);
  });
});
