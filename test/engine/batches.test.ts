import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BatchWork } from '../../src/domain/batch.ts';
import { abortBatchOperation } from '../../src/engine/abort-batch.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { carryOutBatch } from '../../src/engine/carry-out-batch.ts';
import { runBatches } from '../../src/engine/run-batches.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { type StartBatchInput, startBatch } from '../../src/engine/start-batch.ts';
import { sweepDeletedRuns } from '../../src/engine/sweep-deleted-runs.ts';
import { type BatchSelection, findBatch, itemsAfter, lockRunningBatch } from '../../src/store/batches.ts';
import type { Claim } from '../../src/store/step.ts';
import { createTestEngine, ended, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
beforeEach(async () => {
  engine = await createTestEngine();
  await engine.pipeline('sales', [[], [0]]);
});
afterEach(() => engine.close());

const cancel: BatchWork = { action: 'cancel', retry: null };
const remove: BatchWork = { action: 'delete', retry: null };
const retry = (expectedAttempt: number | null = null): BatchWork => ({
  action: 'retry',
  retry: { mode: 'incomplete', fromBlock: null, variables: {}, expectedAttempt },
});
const byId = (...runs: readonly bigint[]): BatchSelection => ({
  kind: 'ids',
  given: runs.map((runId) => ({ id: `run_${runId}`, runId })),
});
const everyRun: BatchSelection = { kind: 'filter', criteria: {} };

async function begin(work: BatchWork, selection: BatchSelection, more: Partial<StartBatchInput> = {}): Promise<bigint> {
  const answer = await startBatch(engine.context, {
    work,
    selection,
    actor: 'ada',
    reason: null,
    idempotencyKey: null,
    isPreview: false,
    ...more,
  });
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.value.batchId;
}

async function refusal(work: BatchWork, selection: BatchSelection, more: Partial<StartBatchInput> = {}) {
  const answer = await startBatch(engine.context, {
    work,
    selection,
    actor: 'ada',
    reason: null,
    idempotencyKey: null,
    isPreview: false,
    ...more,
  });
  return answer.ok ? null : answer.refusal;
}

async function startRuns(count: number): Promise<readonly bigint[]> {
  const runs: bigint[] = [];
  for (let i = 0; i < count; i++) runs.push(await engine.start('sales'));
  return runs;
}

async function ask<Row extends Record<string, unknown>>(sql: string, values: readonly unknown[] = []) {
  return (await engine.database.pool.query<Row>(sql, [...values])).rows;
}

async function results(batchId: bigint) {
  return ask<{ run: bigint; code: string | null; result: bigint | null; is_done: boolean }>(
    `select pipeline_run_id as run, refusal ->> 'code' as code, result_run_id as result, is_done from batch_item where batch_id = $1 order by position`,
    [batchId],
  );
}

const statusOf = async (batchId: bigint) =>
  (await ask('select status, total, done, succeeded, refused from batch_operation where id = $1', [batchId]))[0];

async function finishAll(): Promise<void> {
  while ((await runBatches(engine.context)) > 0);
}

test('each item answers for itself in the order given: what is no run, what has ended, what is named twice', async () => {
  const [first, second] = await startRuns(2);
  await cancelPipelineRun(engine.context, { runId: first!, reason: null, actor: 'ada' });
  const batch = await begin(cancel, {
    kind: 'ids',
    given: [
      { id: `run_${second}`, runId: second! },
      { id: 'nonsense', runId: null },
      { id: 'run_999999', runId: 999_999n },
      { id: `run_${first}`, runId: first! },
      { id: `run_${second}`, runId: second! },
    ],
  });
  expect((await results(batch)).map(({ run, code }) => [run, code])).toEqual([
    [second, null],
    [0n, 'INVALID_INPUT'],
    [999_999n, 'NOT_FOUND'],
    [first, 'INVALID_STATE'],
    [second, 'INVALID_STATE'],
  ]);
  expect(await statusOf(batch)).toEqual({ status: 'completed', total: 5, done: 5, succeeded: 1, refused: 4 });
  await expectInvariants(engine.database);
});

test('a hundred end within the request, and the rest goes on by itself', async () => {
  await startRuns(230);
  const batch = await begin(cancel, everyRun);
  expect(await statusOf(batch)).toMatchObject({ status: 'running', total: 230, done: 100 });
  expect(engine.woken()).toContain('batches');
  await finishAll();
  expect(await statusOf(batch)).toEqual({ status: 'completed', total: 230, done: 230, succeeded: 230, refused: 0 });
  await expectInvariants(engine.database);
});

test('large runs go in pieces of few, each in a commit of its own, so that nobody waits long', async () => {
  await engine.pipeline(
    'wide',
    Array.from({ length: 700 }, () => []),
  );
  const runs: bigint[] = [];
  for (let i = 0; i < 4; i++) runs.push(await engine.start('wide'));
  const batch = await begin(cancel, byId(...runs));
  expect(await statusOf(batch)).toMatchObject({ status: 'completed', succeeded: 4 });
  const commits = await ask(
    `select count(*)::int as runs from run_event where kind = 'cancel_requested' group by xid::text order by min(id)`,
  );
  expect(commits).toEqual([{ runs: 3 }, { runs: 1 }]);
  await expectInvariants(engine.database);
});

test('a run that is made after the batch is not of it', async () => {
  await startRuns(110);
  const batch = await begin(cancel, everyRun);
  const late = await engine.start('sales');
  await finishAll();
  expect(await statusOf(batch)).toMatchObject({ total: 110, done: 110 });
  expect((await engine.runRow(late)).status).toBe('running');
});

test('whoever is killed in the middle of a batch has done each item once or not at all, and another goes on', async () => {
  await startRuns(250);
  const batch = await begin(cancel, everyRun);
  // A process that is killed with a piece half done: its connection ends before the commit.
  const doomed = await engine.database.connect('doomed');
  await doomed.query('begin');
  expect(await lockRunningBatch(doomed, batch, true)).not.toBeNull();
  await doomed.query(`update batch_item set is_done = true where batch_id = $1`, [batch]);
  await doomed.query(`update batch_operation set done = total where id = $1`, [batch]);
  // While it lives, nobody else is at the batch.
  await runBatches(engine.context);
  expect(await statusOf(batch)).toMatchObject({ done: 100 });
  await ask('select pg_terminate_backend($1)', [(doomed as unknown as { processID: number }).processID]);

  await Promise.all([finishAll(), finishAll(), finishAll()]);
  expect(await statusOf(batch)).toEqual({ status: 'completed', total: 250, done: 250, succeeded: 250, refused: 0 });
  expect(
    await ask(
      `select count(*)::int as n, count(distinct pipeline_run_id)::int as runs from run_event where kind = 'cancel_requested'`,
    ),
  ).toEqual([{ n: 250, runs: 250 }]);
  await expectInvariants(engine.database);
});

test('a run that makes every piece of a batch fail is refused, and the others are done', async () => {
  const runs: bigint[] = [];
  for (let i = 0; i < 8; i++) runs.push(await engine.start('sales'));
  const poison = runs[4]!;
  // Whatever it is: nobody can change this run.
  await engine.database.pool.query(`
    create function poison() returns trigger language plpgsql as $$ begin raise exception 'poison'; end $$;
    create trigger poison before update on pipeline_run for each row when (old.id = ${poison}) execute function poison()`);
  const batchId = await begin(cancel, byId(...runs));
  let failures = 0;
  for (let unfinished = 1; unfinished > 0; ) {
    unfinished = await runBatches(engine.context).catch((error: Error) => {
      expect(error.message).toBe('poison');
      return ++failures;
    });
  }
  expect(failures).toBe(5);
  expect(await findBatch(engine.database.pool, batchId)).toMatchObject({ status: 'completed', done: 8 });
  const { rows } = await engine.database.pool.query(
    `select pipeline_run_id as run, refusal from batch_item where batch_id = $1 and refusal is not null`,
    [batchId],
  );
  expect(rows).toEqual([
    { run: poison, refusal: { code: 'CONFLICT', message: expect.stringContaining(`run_${poison} failed 3 times`) } },
  ]);
  for (const run of runs) expect((await engine.runRow(run)).status).toBe(run === poison ? 'running' : 'cancelled');
});

test('an aborted batch does no more, and keeps what it did', async () => {
  await startRuns(150);
  const batch = await begin(cancel, everyRun);
  expect(await abortBatchOperation(engine.context, batch)).toMatchObject({ ok: true });
  expect(await abortBatchOperation(engine.context, batch)).toMatchObject({ ok: true });
  await finishAll();
  expect(await statusOf(batch)).toMatchObject({ status: 'aborted', done: 100, succeeded: 100 });
  expect(await ask(`select count(*)::int as n from pipeline_run where status = 'running'`)).toEqual([{ n: 50 }]);
  expect(await abortBatchOperation(engine.context, 999n)).toMatchObject({ refusal: { code: 'NOT_FOUND' } });
});

test('one key makes one batch of many calls, and is refused for another input', async () => {
  const [run, other] = await startRuns(2);
  const calls = await Promise.all(Array.from({ length: 20 }, () => begin(cancel, byId(run!), { idempotencyKey: 'k' })));
  expect(new Set(calls).size).toBe(1);
  expect(await refusal(cancel, byId(other!), { idempotencyKey: 'k' })).toMatchObject({
    code: 'CONFLICT',
    existingBatchId: calls[0],
  });
  // Unique per action.
  await begin(retry(), byId(run!), { idempotencyKey: 'k' });
});

test('a hundred callers who expect the same attempt retry a run once', async () => {
  const [run] = await startRuns(1);
  await begin(cancel, byId(run!));
  const batches = await Promise.all(Array.from({ length: 100 }, () => begin(retry(1), byId(run!))));
  const codes = (await Promise.all(batches.map(results))).map(([item]) => item!.code);
  expect(codes.filter((code) => code === null)).toHaveLength(1);
  expect(codes.filter((code) => code === 'CONFLICT')).toHaveLength(99);
  expect((await engine.runRow(run!)).attempt).toBe(2);
});

test('a plan says what would happen, changes nothing, and does it when it is carried out, once', async () => {
  const [first, second] = await startRuns(2);
  await cancelPipelineRun(engine.context, { runId: first!, reason: null, actor: 'ada' });
  const plan = await begin(cancel, byId(first!, second!), { isPreview: true });
  expect((await results(plan)).map(({ code, is_done }) => [code, is_done])).toEqual([
    ['INVALID_STATE', false],
    [null, false],
  ]);
  expect(await statusOf(plan)).toEqual({ status: 'previewed', total: 2, done: 0, succeeded: 1, refused: 1 });
  expect((await engine.runRow(second!)).status).toBe('running');

  const input = { batchId: plan, action: 'cancel', actor: 'ada', reason: null, expectedAttempt: null } as const;
  const twice = await Promise.all(
    [1, 2].map(() => carryOutBatch(engine.context, { ...input, idempotencyKey: 'once' })),
  );
  expect(twice).toMatchObject([{ ok: true }, { ok: true }]);
  expect(await statusOf(plan)).toEqual({ status: 'completed', total: 2, done: 2, succeeded: 1, refused: 1 });
  expect((await engine.runRow(second!)).status).toBe('cancelled');
});

test('a plan that is too old, of another action, or unknown is not carried out', async () => {
  const [run] = await startRuns(1);
  const begun = new Date();
  engine.setNow(begun);
  const plan = await begin(cancel, byId(run!), { isPreview: true });
  const input = {
    batchId: plan,
    action: 'cancel',
    actor: 'ada',
    reason: null,
    expectedAttempt: null,
    idempotencyKey: null,
  } as const;
  expect(await carryOutBatch(engine.context, { ...input, action: 'delete' })).toMatchObject({
    refusal: { code: 'INVALID_INPUT' },
  });
  expect(await carryOutBatch(engine.context, { ...input, batchId: 999n })).toMatchObject({
    refusal: { code: 'PLAN_EXPIRED' },
  });
  engine.setNow(new Date(begun.getTime() + 15 * 60_000));
  expect(await carryOutBatch(engine.context, input)).toMatchObject({ refusal: { code: 'PLAN_EXPIRED' } });
  await runBatches(engine.context);
  expect(await statusOf(plan)).toMatchObject({ status: 'expired' });
  expect((await engine.runRow(run!)).status).toBe('running');
});

test('a run that was retried after the plan was made is left alone', async () => {
  const [run] = await startRuns(1);
  await begin(cancel, byId(run!));
  const plan = await begin(retry(), byId(run!), { isPreview: true });
  await begin(retry(), byId(run!));
  await begin(cancel, byId(run!));
  await carryOutBatch(engine.context, {
    batchId: plan,
    action: 'retry',
    actor: 'ada',
    reason: null,
    expectedAttempt: null,
    idempotencyKey: null,
  });
  expect(await results(plan)).toMatchObject([{ code: 'CONFLICT' }]);
  expect((await engine.runRow(run!)).attempt).toBe(2);
});

test('deleting takes everything of a run that has ended but its history, and nothing of one that has not', async () => {
  const worker = await engine.worker();
  const done = await engine.start('sales');
  await worker.step(
    0,
    (await worker.step(1)).claims.map((claim) => ended(claim)),
  );
  await worker.step(
    0,
    (await worker.step(1)).claims.map((claim) => ended(claim)),
  );
  const running = await engine.start('sales');
  await ask(
    `insert into log_line (at, level, stream, message, pipeline_run_id) select now(), 'info', 'stdout', 'hello', $1::bigint from generate_series(1, 6000)`,
    [done],
  );
  const batch = await begin(remove, byId(running, done, 999n), { reason: 'cleaning' });
  expect((await results(batch)).map((item) => item.code)).toEqual(['INVALID_STATE', null, 'NOT_FOUND']);

  const removed: bigint[] = [];
  // Killed between the outputs and the rest: the next one begins again.
  await expect(sweepDeletedRuns(engine.context, () => Promise.reject(new Error('killed')))).rejects.toThrow('killed');
  await sweepDeletedRuns(engine.context, async (runId) => void removed.push(runId));
  expect(removed).toEqual([done]);
  expect(await sweepDeletedRuns(engine.context, () => Promise.reject(new Error('again')))).toBe(0);

  for (const table of ['block_run', 'block_attempt', 'pipeline_run_attempt', 'log_line', 'deleted_run']) {
    expect(await ask(`select 1 from ${table} where pipeline_run_id = $1`, [done]), table).toEqual([]);
  }
  expect(await engine.runRow(done)).toBeUndefined();
  expect(
    await ask(
      'select kind, actor, reason_message from run_event where pipeline_run_id = $1 order by seq desc limit 1',
      [done],
    ),
  ).toEqual([{ kind: 'run_deleted', actor: 'ada', reason_message: 'Deleted by ada: cleaning' }]);
  expect((await engine.runRow(running)).status).toBe('running');
  await expectInvariants(engine.database, running);
});

test('where the newest retry is deleted, the run that it repeats is the newest again', async () => {
  const [run] = await startRuns(1);
  await begin(cancel, byId(run!));
  const again = await begin(
    { action: 'retry', retry: { mode: 'all', fromBlock: null, variables: {}, expectedAttempt: null } },
    byId(run!),
  );
  const retried = (await results(again))[0]!.result!;
  await begin(cancel, byId(retried));
  expect((await engine.runRow(run!)).is_newest).toBe(false);
  await begin(remove, byId(retried));
  expect((await engine.runRow(run!)).is_newest).toBe(true);
});

test('too many by id and none at all are refused, and nothing of it stays', async () => {
  expect(await refusal(cancel, byId())).toMatchObject({ code: 'INVALID_INPUT' });
  expect(await refusal(cancel, byId(...Array.from({ length: 1001 }, (_, n) => BigInt(n + 1))))).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    limit: 1000,
  });
  expect(await ask('select 1 from batch_operation')).toEqual([]);
  // A filter that nothing meets is no mistake.
  expect(await statusOf(await begin(cancel, everyRun))).toMatchObject({ status: 'completed', total: 0 });
});

test('people who cancel and retry the same runs in opposite orders, while workers fail their blocks, never wait in a circle', async () => {
  const runs = await startRuns(40);
  const before = await deadlocks();
  let working = true;
  const workers = Array.from({ length: 3 }, async (_, number) => {
    const worker = await engine.worker();
    let held: readonly Claim[] = [];
    for (let round = 0; round < 5000 && (working || held.length > 0); round++) {
      const outcome = (round + number) % 3 === 0 ? 'failed' : 'completed';
      const { claims, unsettled } = await worker.step(
        working ? 3 : 0,
        held.map((claim) => ended(claim, outcome)),
      );
      await settleRuns(engine.context, unsettled);
      held = claims;
    }
  });
  await Promise.all(
    Array.from({ length: 4 }, async (_, number) => {
      const ids = number % 2 === 0 ? runs : runs.toReversed();
      for (let i = 0; i < 6; i++) {
        await begin((i + number) % 2 === 0 ? cancel : retry(), byId(...ids));
        await engine.admit();
      }
    }),
  );
  working = false;
  await Promise.all(workers);
  await settleRuns(engine.context);
  expect(await deadlocks()).toBe(before);
  expect(await ask(`select 1 from batch_operation where status <> 'completed'`)).toEqual([]);
  await expectInvariants(engine.database);
}, 60_000);

test('what has been done of a batch is a beginning of its items, at any moment', async () => {
  await startRuns(120);
  const batch = await begin(cancel, everyRun);
  const { done } = (await findBatch(engine.database.pool, batch))!;
  expect((await results(batch)).map((item) => item.is_done)).toEqual(Array.from({ length: 120 }, (_, n) => n < done));
  expect(await itemsAfter(engine.database.pool, batch, done, 500)).toHaveLength(20);
});

async function deadlocks(): Promise<bigint> {
  return (
    await ask<{ n: bigint }>('select deadlocks as n from pg_stat_database where datname = current_database()')
  )[0]!.n;
}
