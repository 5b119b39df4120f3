import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deepestRun } from '../../src/domain/child-run.ts';
import { cancelOrphanedChildren } from '../../src/engine/cancel-orphaned-children.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { triggerChildRun } from '../../src/engine/trigger-child-run.ts';
import { orphanedChildren } from '../../src/store/child-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  await engine.pipeline('parent', [[]], { crashRetries: 2 });
  await engine.pipeline('child', [[]]);
});
afterAll(() => engine.close());
beforeEach(async () => {
  worker = await engine.worker();
});

/** A run of the parent whose block a worker holds. */
async function running(): Promise<{ readonly runId: bigint; readonly claim: Claim }> {
  const runId = await engine.start('parent');
  return { runId, claim: await claimOf(runId) };
}

async function claimOf(runId: bigint): Promise<Claim> {
  const { claims } = await worker.step(10);
  const claim = claims.find((each) => each.run === Number(runId));
  if (claim === undefined) throw new Error(`Nothing of run ${runId} was to be claimed.`);
  return claim;
}

async function call(claim: Claim, given: Partial<Parameters<typeof triggerChildRun>[1]> = {}) {
  return triggerChildRun(engine.context, {
    blockRunId: claim.id,
    fence: claim.fence,
    call: 1,
    pipelineUuid: 'child',
    variables: {},
    triggerName: null,
    waits: true,
    ...given,
  });
}

async function childOf(claim: Claim, given: Partial<Parameters<typeof triggerChildRun>[1]> = {}): Promise<bigint> {
  const answer = await call(claim, given);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.value.runId;
}

const statusOf = async (runId: bigint) => (await engine.runRow(runId)).status;
const awaited = async (claim: Claim) =>
  (await engine.database.pool.query('select child_run_id from block_run where id = $1', [claim.id])).rows[0]
    .child_run_id;

test('a block starts a run of another pipeline, which knows whose child it is and starts at once', async () => {
  const { runId, claim } = await running();
  const child = await childOf(claim, { variables: { city: 'Bergen' } });
  expect(await engine.runRow(child)).toMatchObject({
    pipeline_uuid: 'child',
    status: 'running',
    cause: 'parent',
    parent_run_id: runId,
    parent_block_run_id: BigInt(claim.id),
    parent_run_attempt: 1,
    parent_waits: true,
    depth: 1,
    variables: expect.objectContaining({ city: 'Bergen' }),
  });
  expect(await awaited(claim)).toBe(child);
});

test('the same call of a lost attempt is answered with the run that it made, another call with another run', async () => {
  const { runId, claim } = await running();
  const first = await childOf(claim);
  const second = await childOf(claim, { call: 2, waits: false });
  expect(second).not.toBe(first);
  await releaseLostClaims(engine.context, worker.id);
  expect(await orphanedChildren(engine.database.pool)).toEqual([]);
  expect(await awaited(claim)).toBe(null);

  worker = await engine.worker();
  const again = await claimOf(runId);
  expect(again.fence).toBeGreaterThan(claim.fence);
  expect(await call(again)).toMatchObject({ ok: true, value: { runId: first, wasFound: true } });
  expect(await childOf(again, { call: 2, waits: false })).toBe(second);
  expect(await awaited(again)).toBe(first);
});

test('a call that is made many times at once makes one run', async () => {
  const { claim } = await running();
  const answers = await Promise.all(Array.from({ length: 50 }, () => childOf(claim)));
  expect(new Set(answers).size).toBe(1);
});

test('an attempt that is over starts nothing', async () => {
  const { runId, claim } = await running();
  expect(await call({ ...claim, fence: claim.fence - 1 })).toMatchObject({
    ok: false,
    refusal: { code: 'INVALID_STATE' },
  });
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  expect(await call(claim)).toMatchObject({
    ok: false,
    refusal: { message: 'Block b1 is being stopped, so it starts no other run.' },
  });
});

test('a pipeline that is not there, one that is broken, and variables that are too large are refused', async () => {
  await engine.pipeline('broken', [[]], { isRunnable: false });
  const { claim } = await running();
  expect(await call(claim, { pipelineUuid: 'nobody' })).toMatchObject({ refusal: { code: 'NOT_FOUND' } });
  expect(await call(claim, { pipelineUuid: 'broken' })).toMatchObject({ refusal: { code: 'PIPELINE_INVALID' } });
  const variables = { text: 'x'.repeat(70_000) };
  expect(await call(claim, { variables })).toMatchObject({ refusal: { code: 'INVALID_INPUT' } });
});

test('runs that start runs end at a depth of ten', async () => {
  let { claim } = await running();
  for (let depth = 1; depth <= deepestRun; depth++) {
    const child = await childOf(claim);
    expect((await engine.runRow(child)).depth).toBe(depth);
    claim = await claimOf(child);
  }
  const refused = await call(claim);
  expect(refused).toMatchObject({ ok: false, refusal: { code: 'LIMIT_EXCEEDED', limit: deepestRun } });
});

test('a run that is waited for is cancelled with its parent; one that is not lives on', async () => {
  const { runId, claim } = await running();
  const waitedFor = await childOf(claim);
  const other = await childOf(claim, { call: 2, waits: false });
  expect(await cancelOrphanedChildren(engine.context)).toBe(0);
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  expect(await cancelOrphanedChildren(engine.context)).toBe(1);
  expect(await engine.runRow(waitedFor)).toMatchObject({
    status: 'cancelled',
    reason_code: 'PARENT_CANCELLED',
    reason_actor: null,
  });
  expect(await statusOf(other)).toBe('running');
  expect(await cancelOrphanedChildren(engine.context)).toBe(0);
});

test('a run that is waited for ends with a block that fails, and with its children in turn', async () => {
  const { claim } = await running();
  const child = await childOf(claim);
  const grandchild = await childOf(await claimOf(child));
  await worker.step(0, [ended(claim, 'failed')]);
  expect(await cancelOrphanedChildren(engine.context)).toBe(1);
  // Its block runs still, and was told to stop: that is enough for its own children.
  expect(await cancelOrphanedChildren(engine.context)).toBe(1);
  expect(await statusOf(grandchild)).toBe('cancelled');
});

test('an automatic retry does again what failed or was cancelled, and not what completed', async () => {
  const { runId, claim } = await running();
  const good = await childOf(claim);
  const bad = await childOf(claim, { call: 2 });
  const cut = await childOf(claim, { call: 3 });
  const work = (await worker.step(10)).claims;
  const blockOf = (child: bigint) => work.find((each) => each.run === Number(child)) ?? claim;
  await worker.step(0, [ended(blockOf(good)), ended(blockOf(bad), 'failed')]);
  await settleRuns(engine.context);
  await worker.step(0, [ended(claim, 'retry', { retryAt: new Date(0) })]);
  expect(await cancelOrphanedChildren(engine.context)).toBe(1);
  expect((await engine.runRow(cut)).ending_status ?? (await statusOf(cut))).toBe('cancelled');

  const again = await claimOf(runId);
  expect(again.retries).toBe(1);
  expect(await childOf(again)).toBe(good);
  expect(await childOf(again, { call: 2 })).not.toBe(bad);
  const anew = await childOf(again, { call: 3 });
  expect(anew).not.toBe(cut);
  expect(await cancelOrphanedChildren(engine.context)).toBe(0);
  expect(await childOf(again, { call: 3 })).toBe(anew);
});

test('a retry by a person does everything again', async () => {
  const { runId, claim } = await running();
  const first = await childOf(claim, { waits: false });
  await worker.step(0, [ended(claim, 'failed')]);
  await settleRuns(engine.context);
  const answer = await retryPipelineRun(engine.context, {
    runId,
    mode: 'incomplete',
    fromBlock: null,
    variables: {},
    expectedAttempt: null,
    reason: null,
    actor: 'ada',
  });
  expect(answer.ok).toBe(true);
  await engine.admit();
  expect(await childOf(await claimOf(runId), { waits: false })).not.toBe(first);
});
