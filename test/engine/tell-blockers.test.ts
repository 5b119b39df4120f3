import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { tellChangedBlockers } from '../../src/engine/tell-blockers.ts';
import { enterScheduler } from '../../src/store/scheduler-presence.ts';
import type { Claim } from '../../src/store/step.ts';
import { holdWorkerLock } from '../../src/store/workers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let session: pg.Client;
beforeAll(async () => {
  engine = await createTestEngine();
  session = await engine.database.connect('test');
  await enterScheduler(session);
});
afterAll(async () => {
  await session?.end();
  await engine.close();
});

/** A round of the scheduler, a second later. */
async function aSecondLater(): Promise<number> {
  engine.setNow(new Date(engine.context.now().getTime() + 1000));
  let [told, after] = [0, 0n];
  do {
    const round = await tellChangedBlockers(engine.context, after);
    told += round.told;
    after = round.next;
  } while (after > 0n);
  return told;
}

/** Claims one block run; rows that cancelled runs left in the queue claim nothing. */
async function claimOne(worker: TestWorker): Promise<readonly Claim[]> {
  for (let tries = 0; tries < 10; tries++) {
    const { claims } = await worker.step(1);
    if (claims.length > 0) return claims;
  }
  throw new Error('nothing was claimed');
}

const toldTo = async (runId: bigint) =>
  (
    await engine.database.pool.query(
      `select from_status as "from", to_status as "to", reason_message as message from run_event
        where pipeline_run_id = $1 and kind = 'blocker_changed' order by seq`,
      [runId],
    )
  ).rows;

test('a run’s history says what it waits for, each time that changes and once each time', async () => {
  engine.setNow(new Date());
  await engine.pipeline('one', [[]], { concurrency: { pipelineRunLimit: 1 } });
  const first = await engine.start('one');
  const run = await engine.start('one');
  expect(await tellChangedBlockers(engine.context, 0n)).toEqual({ told: 0, next: 0n, areSomeMoving: true });

  expect(await aSecondLater()).toBe(2);
  expect(await toldTo(first)).toMatchObject([{ from: null, to: 'WORKER_UNAVAILABLE' }]);
  expect(await toldTo(run)).toMatchObject([
    { from: null, to: 'CONCURRENCY_LIMIT', message: expect.stringContaining('pipeline_run_limit') },
  ]);
  expect(await aSecondLater()).toBe(0);

  await engine.pipeline('one', [[]], { version: 'v2', concurrency: { pipelineRunLimit: 0 } });
  expect(await aSecondLater()).toBe(1);
  expect((await toldTo(run)).at(-1)).toMatchObject({ from: 'CONCURRENCY_LIMIT', to: 'LIMIT_IS_ZERO' });

  await engine.pipeline('one', [[]], { version: 'v3' });
  await engine.admit();
  expect(await aSecondLater()).toBe(1);
  expect((await toldTo(run)).at(-1)).toMatchObject({ from: 'LIMIT_IS_ZERO', to: 'WORKER_UNAVAILABLE' });
  await expectInvariants(engine.database);

  for (const id of [first, run]) await cancelPipelineRun(engine.context, { runId: id, reason: null, actor: 'ada' });
  // Retried, it waits anew, and that is told anew.
  await retryPipelineRun(engine.context, {
    runId: run,
    mode: 'incomplete',
    fromBlock: null,
    variables: {},
    reason: null,
    expectedAttempt: null,
    actor: 'ada',
  });
  await engine.admit();
  expect(await aSecondLater()).toBe(1);
  expect((await toldTo(run)).at(-1)).toMatchObject({ from: null, to: 'WORKER_UNAVAILABLE' });
  await cancelPipelineRun(engine.context, { runId: run, reason: null, actor: 'ada' });
  await expectInvariants(engine.database);
});

test('a run that moves is told nothing, and one that moved again after a wait is told when it waits anew', async () => {
  engine.setNow(new Date());
  const worker: TestWorker = await engine.worker();
  await holdWorkerLock(session, worker.id);
  await engine.pipeline('moving', [[], [0]]);
  const run = await engine.start('moving');
  const claims = await claimOne(worker);
  expect(await aSecondLater()).toBe(0);

  const retryAt = new Date(engine.context.now().getTime() + 60_000);
  await worker.step(
    0,
    claims.map((claim) => ended(claim, 'retry', { retryAt })),
  );
  expect(await aSecondLater()).toBe(1);
  expect(await toldTo(run)).toMatchObject([{ from: null, to: 'RETRY_BACKOFF' }]);

  engine.setNow(retryAt);
  const again = await claimOne(worker);
  expect(await aSecondLater()).toBe(0);
  expect((await engine.runRow(run)).blocker).toBeNull();
  await worker.step(
    0,
    again.map((claim) => ended(claim, 'retry', { retryAt: new Date(retryAt.getTime() + 60_000) })),
  );
  expect(await aSecondLater()).toBe(1);
  expect(await toldTo(run)).toHaveLength(2);
  await cancelPipelineRun(engine.context, { runId: run, reason: null, actor: 'ada' });
  await expectInvariants(engine.database);
});

test('several schedulers tell one change once, and a run among hundreds is reached', async () => {
  engine.setNow(new Date());
  await engine.pipeline('held', [[]], { concurrency: { pipelineRunLimitAllTriggers: 0 } });
  const runs: bigint[] = [];
  for (let i = 0; i < 230; i++) runs.push(await engine.start('held'));
  engine.setNow(new Date(engine.context.now().getTime() + 1000));
  const rounds = await Promise.all(Array.from({ length: 4 }, () => tellChangedBlockers(engine.context, 0n)));
  expect(rounds.reduce((sum, round) => sum + round.told, 0)).toBe(200);
  expect(await aSecondLater()).toBe(30);
  for (const run of [runs[0]!, runs.at(-1)!]) expect(await toldTo(run)).toMatchObject([{ to: 'LIMIT_IS_ZERO' }]);
  await expectInvariants(engine.database);
}, 30_000);
