import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { endCallbackRun } from '../../src/engine/end-callback.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { type CallbackClaim, claimCallbacks, giveBackUnknownCallbacks } from '../../src/store/callback-runs.ts';
import type { Finish } from '../../src/store/step.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
  await engine.pipeline('told', [[], [0]]);
});
afterEach(() => expectInvariants(engine.database));
afterAll(() => engine.close());

/** Starts a run of b1 → b2 with a callback on each. */
async function start(): Promise<bigint> {
  const run = await engine.start('told');
  await engine.database.pool.query(`update block_run set callbacks = '{tell}' where pipeline_run_id = $1`, [run]);
  await engine.database.pool.query('update pipeline_run set has_callbacks = true where id = $1', [run]);
  return run;
}

const claim = (by = worker) => claimCallbacks(engine.database.pool, by.id, 'default', 10, engine.context.now());

const end = (callback: CallbackClaim, by = worker) =>
  endCallbackRun(engine.context, {
    id: BigInt(callback.id),
    runId: BigInt(callback.run),
    fence: callback.fence,
    workerId: by.id,
    error: null,
  });

async function report(finishes: readonly Finish[]) {
  const { claims, unsettled } = await worker.step(1, finishes);
  await settleRuns(engine.context, unsettled);
  return claims;
}

const kindsOf = async (run: bigint) =>
  (
    await engine.database.pool.query<{ kind: string }>(
      'select kind from callback_run where pipeline_run_id = $1 order by id',
      [run],
    )
  ).rows.map((row) => row.kind);

test('a run ends after its last callback, and a report that is repeated makes no second one', async () => {
  const run = await start();
  const [first] = (await worker.step(1)).claims;
  const [second] = await report([ended(first!)]);
  await report([ended(first!)]);
  await report([ended(second!)]);
  await report([ended(second!)]);
  expect(await kindsOf(run)).toEqual(['success', 'success']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'running', callbacks_open: 2 });
  const callbacks = await claim();
  await end(callbacks[0]!);
  await end(callbacks[0]!);
  expect(await engine.runRow(run)).toMatchObject({ status: 'running', callbacks_open: 1 });
  await end(callbacks[1]!);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed', callbacks_open: 0 });
  await report([ended(second!)]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed', callbacks_open: 0 });
});

test('a failure is told once, after the last attempt; what never ran tells nothing', async () => {
  const run = await start();
  const [first] = (await worker.step(1)).claims;
  const [again] = await report([ended(first!, 'retry')]);
  expect(await kindsOf(run)).toEqual([]);
  const claimed = again ?? (await worker.step(1)).claims[0];
  await report([ended(claimed!, 'failed')]);
  expect(await engine.statuses(run)).toEqual(['failed', 'upstream_failed']);
  expect(await kindsOf(run)).toEqual(['failure']);
  for (const callback of await claim()) await end(callback);
  expect(await engine.runRow(run)).toMatchObject({ status: 'failed' });
});

test('a cancel between two calls of a sensor is told as cancelled, and the run ends after that', async () => {
  const run = await start();
  const [first] = (await worker.step(1)).claims;
  await report([ended(first!, 'wait', { retryAt: new Date(Date.now() + 3_600_000), calls: 1 })]);
  expect(await kindsOf(run)).toEqual([]);
  await cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });
  expect(await engine.statuses(run)).toEqual(['cancelled', 'cancelled']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'running', callbacks_open: 1 });
  expect(await kindsOf(run)).toEqual(['cancelled']);
  for (const callback of await claim()) await end(callback);
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled', reason_code: 'CANCELLED_BY_USER' });
});

test('one whose worker is lost runs once more, and then no more', async () => {
  const run = await start();
  await engine.database.pool.query(`update block_run set callbacks = '{}' where block_uuid = 'b2'`);
  const [first] = (await worker.step(1)).claims;
  const [second] = await report([ended(first!)]);
  await report([ended(second!)]);
  const doomed = await engine.worker();
  const [lost] = await claim(doomed);
  await releaseLostClaims(engine.context, doomed.id);
  const next = await engine.worker();
  const [again] = await claim(next);
  expect(again?.id).toBe(lost?.id);
  await end(lost!, doomed);
  expect(await engine.runRow(run)).toMatchObject({ status: 'running', callbacks_open: 1 });
  await releaseLostClaims(engine.context, next.id);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed', callbacks_open: 0 });
});

test('a claim whose answer was lost is given back by its own worker, and what it knows of is left alone', async () => {
  const run = await start();
  await report((await report([])).map((each) => ended(each)));
  const [known] = await claim();
  expect(await giveBackUnknownCallbacks(engine.database.pool, worker.id, [known!.id])).toBe(0);
  expect(await claim()).toEqual([]);
  expect(await giveBackUnknownCallbacks(engine.database.pool, worker.id, [])).toBe(1);
  const [again] = await claim();
  expect(again).toMatchObject({ id: known!.id, fence: known!.fence + 1 });
  // The first answer, should it still come, is not believed.
  await end(known!);
  expect((await engine.runRow(run)).callbacks_open).toBe(1);
  await end(again!);
  expect((await engine.runRow(run)).callbacks_open).toBe(0);
  await cancelPipelineRun(engine.context, { runId: run, reason: null, actor: 'ada' });
});
