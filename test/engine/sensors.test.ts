import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { restoreReadyRows } from '../../src/store/workers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

// A sensor between two calls: running, without a worker, until its next call or its deadline.

const start = new Date('2026-03-01T12:00:00Z').getTime();
const at = (seconds: number) => new Date(start + seconds * 1000);

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
  await engine.pipeline('sensing', [[], [0]]);
  await engine.pipeline('beside', [[], [], [0]]);
});
beforeEach(async () => {
  engine.setNow(at(0));
  // A stale row, of a sensor that was cancelled, would cost a look.
  await engine.database.pool.query('delete from ready');
});
afterEach(() => expectInvariants(engine.database));
afterAll(() => engine.close());

/** What a worker reports when the sensor said no. */
const saidNo = (claim: Claim, retryAt: Date) =>
  ended(claim, 'wait', { code: 'OTHER', message: 'No.', retryAt, calls: (claim.calls ?? 0) + 1 });

/** Starts a run and lets its sensor, b1, say no once; the next call is due after 60 s. */
async function startWaiting(pipeline = 'sensing'): Promise<{ run: bigint; claim: Claim }> {
  const run = await engine.start(pipeline);
  const claim = (await worker.step(1)).claims[0]!;
  await worker.step(0, [saidNo(claim, at(60))]);
  return { run, claim };
}

async function attemptsOf(run: bigint): Promise<readonly Record<string, unknown>[]> {
  const text =
    'select number, status, reason_code, calls from block_attempt where pipeline_run_id = $1 order by block_run_id, number';
  return (await engine.database.pool.query(text, [run])).rows;
}

const blockRow = async (id: number) =>
  (await engine.database.pool.query('select * from block_run where id = $1', [id])).rows[0];

const clean = (run: bigint) => cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });

test('it stays running without a worker, is claimed when its next call is due, and all its calls are one attempt', async () => {
  const { run, claim } = await startWaiting();
  const told = (await engine.runRow(run)).event_seq;
  expect(await blockRow(claim.id)).toMatchObject({
    status: 'running',
    worker_id: null,
    calls: 1,
    next_attempt_at: at(60),
  });
  engine.setNow(at(59));
  expect((await worker.step(1)).claims).toEqual([]);
  engine.setNow(at(60));
  const again = (await worker.step(1)).claims[0]!;
  expect(again).toMatchObject({
    id: claim.id,
    attempt: 1,
    calls: 1,
    retries: 0,
    timeoutSeconds: null,
    fence: claim.fence + 1,
  });
  expect(await blockRow(claim.id)).toMatchObject({ started_at: at(0), next_attempt_at: null });
  await worker.step(0, [saidNo(again, at(120))]);
  expect((await engine.runRow(run)).event_seq).toBe(told);
  engine.setNow(at(121));
  const last = (await worker.step(1)).claims[0]!;
  const { claims } = await worker.step(1, [ended(last, 'completed', { calls: 3 })]);
  expect(claims).toMatchObject([{ uuid: 'b2', inputs: [{ uuid: 'b1', status: 'completed' }] }]);
  await worker.step(0, [ended(claims[0]!)]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
  expect(await attemptsOf(run)).toMatchObject([
    { number: 1, status: 'completed', calls: 3 },
    { number: 1, status: 'completed', calls: null },
  ]);
});

test('the late word of a call changes nothing any more', async () => {
  const { run, claim } = await startWaiting();
  await worker.step(0, [ended(claim, 'completed', { calls: 1 })]);
  await worker.step(0, [saidNo(claim, at(500))]);
  expect(await blockRow(claim.id)).toMatchObject({ status: 'running', calls: 1, next_attempt_at: at(60) });
  await clean(run);
});

test('with a timeout it is claimed at the deadline, counted from the first call, with nothing left', async () => {
  const run = await engine.start('sensing');
  await engine.database.pool.query('update block_run set timeout_seconds = 90 where pipeline_run_id = $1', [run]);
  const first = (await worker.step(1)).claims[0]!;
  expect(first.timeoutSeconds).toBe(90);
  await worker.step(0, [saidNo(first, at(60))]);
  engine.setNow(at(60));
  const second = (await worker.step(1)).claims[0]!;
  expect(second.timeoutSeconds).toBe(30);
  await worker.step(0, [saidNo(second, at(120))]);
  engine.setNow(at(90));
  const third = (await worker.step(1)).claims[0]!;
  expect(third.timeoutSeconds).toBe(0);
  const { unsettled } = await worker.step(0, [ended(third, 'failed', { code: 'TIMED_OUT', calls: 2 })]);
  await settleRuns(engine.context, unsettled);
  expect(await engine.statuses(run)).toEqual(['failed', 'upstream_failed']);
  expect((await attemptsOf(run))[0]).toMatchObject({ number: 1, status: 'failed', reason_code: 'TIMED_OUT', calls: 2 });
});

test('a cancel between two calls ends the run at once, with its attempt; what is left in the queue claims nothing', async () => {
  const { run, claim } = await startWaiting();
  await cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', reason_code: 'CANCELLED_BY_USER' });
  expect(await engine.statuses(run)).toEqual(['cancelled', 'cancelled']);
  expect(await attemptsOf(run)).toMatchObject([
    { number: 1, status: 'cancelled', reason_code: 'CANCELLED_BY_USER', calls: 1 },
  ]);
  engine.setNow(at(61));
  expect((await worker.step(1)).claims).toEqual([]);
  await worker.step(0, [ended(claim, 'completed', { calls: 1 })]);
  expect(await engine.statuses(run)).toEqual(['cancelled', 'cancelled']);
});

test('a cancel during a call that then says no ends it cancelled', async () => {
  const run = await engine.start('sensing');
  const claim = (await worker.step(1)).claims[0]!;
  await cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });
  const { unsettled } = await worker.step(0, [saidNo(claim, at(60))]);
  await settleRuns(engine.context, unsettled);
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled' });
  expect(await attemptsOf(run)).toMatchObject([{ status: 'cancelled', reason_code: 'CANCELLED_BY_USER', calls: 1 }]);
});

test('when another block fails, a waiting sensor is cancelled at once', async () => {
  const run = await engine.start('beside');
  const [sensor, other] = (await worker.step(2)).claims;
  await worker.step(0, [saidNo(sensor!, at(60))]);
  const { unsettled } = await worker.step(0, [ended(other!, 'failed')]);
  await settleRuns(engine.context, unsettled);
  expect(await engine.statuses(run)).toEqual(['cancelled', 'failed', 'cancelled']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'failed', reason_code: 'BLOCK_FAILED' });
  expect((await attemptsOf(run))[0]).toMatchObject({ status: 'cancelled', reason_code: 'RUN_ENDED', calls: 1 });
});

test('a lost worker takes nothing from a waiting sensor, and a call that it interrupts is an ordinary loss', async () => {
  const { run } = await startWaiting();
  const doomed = await engine.worker();
  await releaseLostClaims(engine.context, worker.id);
  expect(await engine.statuses(run)).toEqual(['running', 'initial']);
  engine.setNow(at(60));
  expect((await doomed.step(1)).claims).toHaveLength(1);
  await releaseLostClaims(engine.context, doomed.id);
  expect(await attemptsOf(run)).toMatchObject([{ number: 1, status: 'failed', reason_code: 'WORKER_LOST', calls: 1 }]);
  const again = (await worker.step(1)).claims[0]!;
  expect(again).toMatchObject({ attempt: 2, calls: 0 });
  await worker.step(0, [saidNo(again, at(120))]);
  await clean(run);
});

test('a failed call is retried as a new attempt, whose calls count from one', async () => {
  const { run } = await startWaiting();
  engine.setNow(at(60));
  const second = (await worker.step(1)).claims[0]!;
  await worker.step(0, [ended(second, 'retry', { retryAt: at(65), calls: 2 })]);
  engine.setNow(at(65));
  const third = (await worker.step(1)).claims[0]!;
  expect(third).toMatchObject({ attempt: 2, calls: 0, retries: 1 });
  expect(await attemptsOf(run)).toMatchObject([{ number: 1, status: 'failed', calls: 2 }]);
  await worker.step(0, [saidNo(third, at(200))]);
  await clean(run);
});

test('a retry by a person asks from the beginning', async () => {
  const { run } = await startWaiting();
  await clean(run);
  await retryPipelineRun(engine.context, {
    runId: run,
    mode: 'incomplete',
    fromBlock: null,
    variables: {},
    reason: null,
    actor: 'ada',
    expectedAttempt: null,
  });
  await engine.admit();
  const claim = (await worker.step(1)).claims[0]!;
  expect(claim).toMatchObject({ uuid: 'b1', attempt: 2, calls: 0 });
  await worker.step(0, [saidNo(claim, at(60))]);
  await clean(run);
});

test('lost and doubled rows of the queue neither lose nor double a call', async () => {
  const { run, claim } = await startWaiting();
  await engine.database.pool.query('delete from ready');
  expect(await restoreReadyRows(engine.database.pool, at(1), at(30))).toBe(1);
  await engine.database.pool.query(
    `insert into ready (block_run_id, run_id, label, prio, run_at) values ($1, $2, 'default', 0, $3), ($1, $2, 'default', 0, $3)`,
    [claim.id, run, at(0)],
  );
  engine.setNow(at(30));
  expect((await worker.step(4)).claims).toEqual([]);
  engine.setNow(at(60));
  expect((await worker.step(4)).claims).toHaveLength(1);
  expect((await worker.step(4)).claims).toEqual([]);
  await clean(run);
});
