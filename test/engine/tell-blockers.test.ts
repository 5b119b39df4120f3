import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { type BlockerTeller, createBlockerTeller } from '../../src/engine/tell-blockers.ts';
import { enterScheduler } from '../../src/store/scheduler-presence.ts';
import type { Claim } from '../../src/store/step.ts';
import { holdWorkerLock } from '../../src/store/workers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let session: pg.Client;
let teller: BlockerTeller;
beforeAll(async () => {
  engine = await createTestEngine();
  teller = createBlockerTeller(engine.context);
  session = await engine.database.connect('test');
  await enterScheduler(session);
});
afterAll(async () => {
  await session?.end();
  await engine.close();
});

/** A pass of the scheduler, a second later. */
async function aSecondLater(): Promise<number> {
  engine.setNow(new Date(engine.context.now().getTime() + 1000));
  return pass(teller);
}

async function pass(by: BlockerTeller): Promise<number> {
  const { told, hasMore } = await by.round();
  return told + (hasMore ? await pass(by) : 0);
}

/** How many runs are looked at closely while `work` is done. */
async function lookedAtClosely(work: () => Promise<unknown>): Promise<number> {
  const { pool } = engine.database;
  const { query } = pool;
  let looked = 0;
  pool.query = ((given: { readonly name?: string; readonly values: readonly unknown[] }, ...rest: never[]) => {
    if (given.name === 'how-runs-fare') looked += (given.values[0] as readonly bigint[]).length;
    return (query as (...all: unknown[]) => unknown).call(pool, given, ...rest);
  }) as typeof pool.query;
  try {
    await work();
  } finally {
    pool.query = query;
  }
  return looked;
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
  expect(await teller.round()).toEqual({ told: 0, hasMore: false, areSomeMoving: true });

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

test('what a run waits for by the clock is told anew when the time has come', async () => {
  engine.setNow(new Date());
  const worker: TestWorker = await engine.worker();
  await engine.pipeline('patient', [[]]);
  const run = await engine.start('patient');
  const claims = await claimOne(worker);
  const retryAt = new Date(engine.context.now().getTime() + 5000);
  await worker.step(
    0,
    claims.map((claim) => ended(claim, 'retry', { retryAt })),
  );
  await worker.end();
  await engine.database.pool.query('update worker set ended_at = now()');
  expect(await aSecondLater()).toBe(1);
  expect(await aSecondLater()).toBe(0);
  engine.setNow(retryAt);
  expect(await aSecondLater()).toBe(1);
  expect(await toldTo(run)).toMatchObject([
    { to: 'RETRY_BACKOFF' },
    { from: 'RETRY_BACKOFF', to: 'WORKER_UNAVAILABLE' },
  ]);
  await cancelPipelineRun(engine.context, { runId: run, reason: null, actor: 'ada' });
});

/** Runs of a pipeline that lets none start, as if each had been triggered. */
async function waitingRuns(pipelineUuid: string, count: number): Promise<readonly bigint[]> {
  await engine.pipeline(pipelineUuid, [[]], { concurrency: { pipelineRunLimitAllTriggers: 0 } });
  const { rows } = await engine.database.pool.query<{ id: bigint }>(
    `with made as (
       insert into pipeline_run (pipeline_uuid, pipeline_version, code_version, tags, cause, execution_date, variables,
                                 blocks_total, blocks_initial, created_at, attempt_created_at, event_seq)
       select $1, 'v1', 'v1', '{}', 'api', now(), '{}', 0, 0, $2, $2, 1 from generate_series(1, $3) returning id),
     told as (
       insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, to_status)
       select id, 1, $2, 'run_created', $1, 1, 'initial' from made)
     select id from made order by id`,
    [pipelineUuid, engine.context.now(), count],
  );
  return rows.map((row) => row.id);
}

test('several schedulers tell thousands of runs, each once, within one pass; and look no more at those that were told', async () => {
  engine.setNow(new Date());
  const runs = await waitingRuns('held', 2300);
  engine.setNow(new Date(engine.context.now().getTime() + 1000));
  const tellers = Array.from({ length: 3 }, () => createBlockerTeller(engine.context));
  const told = await Promise.all(tellers.map(pass));
  expect(told.reduce((sum, each) => sum + each, 0)).toBe(2300);
  for (const run of [runs[0]!, runs.at(-1)!]) expect(await toldTo(run)).toMatchObject([{ to: 'LIMIT_IS_ZERO' }]);
  engine.setNow(new Date(engine.context.now().getTime() + 1000));
  await Promise.all(tellers.map(pass));
  expect(await lookedAtClosely(() => pass(tellers[0]!))).toBe(0);
  // Nor when somebody else's pipeline changes; but when theirs does.
  await engine.pipeline('another', [[]]);
  expect(await lookedAtClosely(() => pass(tellers[0]!))).toBe(0);
  await engine.pipeline('held', [[]], { version: 'v2', concurrency: { pipelineRunLimitAllTriggers: 0 } });
  expect(await lookedAtClosely(() => pass(tellers[0]!))).toBe(2300);
  expect(await pass(tellers[0]!)).toBe(0);
  await expectInvariants(engine.database);
}, 30_000);
