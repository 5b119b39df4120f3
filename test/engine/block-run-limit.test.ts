import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim, Finish } from '../../src/store/step.ts';
import { restoreReadyRows } from '../../src/store/workers.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterEach(() => expectInvariants(engine.database));
afterAll(() => engine.close());

const triggerRules = ['all_success', 'none_failed', 'all_done', 'one_success'] as const;
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** Reports, lets the planner decide, then claims. */
async function turn(finishes: readonly Finish[]): Promise<readonly Claim[]> {
  const { claims, unsettled } = await worker.step(0, finishes);
  expect(claims).toEqual([]);
  await settleRuns(engine.context, unsettled);
  return look();
}

/** Claims what is queued, behind what is stale. */
async function look(): Promise<readonly Claim[]> {
  const { claims, more } = await worker.step(4);
  return claims.length === 0 && more ? look() : claims;
}

const cancel = (runId: bigint) => cancelPipelineRun(engine.context, { runId, actor: 'ada', reason: null });

test('a start queues as many as the limit, and each end lets the next one in, in definition order', async () => {
  await engine.pipeline('two_at_once', [[], [], [], [0, 1, 2]], { concurrency: { blockRunLimit: 2 } });
  const run = await engine.start('two_at_once');
  expect(await engine.statuses(run)).toEqual(['queued', 'queued', 'initial', 'initial']);
  const { claims } = await worker.step(4);
  expect(claims.map((claim) => claim.uuid)).toEqual(['b1', 'b2']);
  // A step queues nothing for such a run, also not with slots to spare: it calls the planner.
  const next = await worker.step(4, [ended(claims[1]!)]);
  expect(next.claims).toEqual([]);
  await settleRuns(engine.context, next.unsettled);
  expect(await engine.statuses(run)).toEqual(['running', 'completed', 'queued', 'initial']);
  const [third] = (await worker.step(4)).claims;
  const [last] = await turn([ended(claims[0]!), ended(third!)]);
  expect(last).toMatchObject({ uuid: 'b4' });
  await worker.step(4, [ended(last!)]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
});

test('a waiting retry and a sensor between two calls make room', async () => {
  await engine.pipeline('roomy', [[], [], []], { concurrency: { blockRunLimit: 1 } });
  const run = await engine.start('roomy');
  const [first] = (await worker.step(4)).claims;
  const [second, ...none] = await turn([ended(first!, 'retry', { retryAt: inAnHour() })]);
  expect([second?.uuid, none]).toEqual(['b2', []]);
  const [third] = await turn([ended(second!, 'wait', { retryAt: inAnHour(), calls: 1 })]);
  expect(third?.uuid).toBe('b3');
  expect(await engine.statuses(run)).toEqual(['queued', 'running', 'running']);
  await cancel(run);
  await turn([ended(third!, 'stopped', { code: 'RUN_ENDED' })]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled' });
});

test('a retry and a sensor that come due wait for a place too, and get the next one that is free', async () => {
  await engine.pipeline('back', [[], [], [], []], { concurrency: { blockRunLimit: 1 } });
  const run = await engine.start('back');
  const [first] = await look();
  const at = Date.now();
  const soon = (minutes: number) => new Date(at + minutes * 60_000);
  const [second] = await turn([ended(first!, 'wait', { retryAt: soon(2), calls: 1 })]);
  const [third] = await turn([ended(second!, 'retry', { retryAt: soon(1) })]);
  expect(third?.uuid).toBe('b3');
  engine.setNow(soon(3));
  // Both are due, and b3 has the one place: also when the sweep puts them back into the queue.
  expect(await look()).toEqual([]);
  expect(await restoreReadyRows(engine.database.pool, soon(3), soon(3))).toBe(2);
  expect(await look()).toEqual([]);
  const order: string[] = [];
  for (let held: readonly Claim[] = [third!]; held.length > 0; ) {
    held = await turn(held.map((claim) => ended(claim)));
    expect(held.length).toBeLessThanOrEqual(1);
    order.push(...held.map((claim) => claim.uuid));
  }
  engine.setNow(null);
  expect(order).toEqual(['b2', 'b1', 'b4']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
});

test('a sensor whose time is over while it waits for a place is ended at once', async () => {
  await engine.pipeline('over', [[], []], { concurrency: { blockRunLimit: 1 } });
  const run = await engine.start('over');
  await engine.database.pool.query(
    `update block_run set timeout_seconds = 90 where pipeline_run_id = $1 and block_uuid = 'b1'`,
    [run],
  );
  const [first] = await look();
  const at = Date.now();
  const [second] = await turn([ended(first!, 'wait', { retryAt: new Date(at + 60_000), calls: 1 })]);
  engine.setNow(new Date(at + 61_000));
  expect(await look()).toEqual([]);
  engine.setNow(new Date(at + 95_000));
  expect(await restoreReadyRows(engine.database.pool, engine.context.now(), engine.context.now())).toBe(1);
  const [again] = await look();
  expect(again).toMatchObject({ uuid: 'b1', timeoutSeconds: 0 });
  engine.setNow(null);
  await turn([ended(again!, 'failed', { code: 'TIMED_OUT' })]);
  await turn([ended(second!, 'stopped', { code: 'RUN_ENDED' })]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'failed' });
});

test('a limit of 0 starts nothing, and the run can be cancelled', async () => {
  await engine.pipeline('shut', [[], [0]], { concurrency: { blockRunLimit: 0 } });
  const run = await engine.start('shut');
  await settleRuns(engine.context, [run]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'running', needs_settling: false });
  expect(await engine.statuses(run)).toEqual(['initial', 'initial']);
  await cancel(run);
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled' });
});

test('a failure leaves room for the teardown that it owes', async () => {
  await engine.pipeline('teardown', [[], [0], []], {
    concurrency: { blockRunLimit: 1 },
    rules: ['all_success', 'all_done', 'all_success'],
  });
  const run = await engine.start('teardown');
  const [first] = (await worker.step(4)).claims;
  const [teardown] = await turn([ended(first!, 'failed')]);
  expect(teardown?.uuid).toBe('b2');
  await turn([ended(teardown!)]);
  expect(await engine.statuses(run)).toEqual(['failed', 'completed', 'cancelled']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'failed' });
});

test('any graph with any rules and failures ends within its limit', async () => {
  let made = 0;
  const arbitrary = fc.tuple(
    arbitraryDag(),
    fc.integer({ min: 1, max: 3 }),
    fc.infiniteStream(fc.constantFrom(...triggerRules)),
    fc.infiniteStream(fc.constantFrom('completed', 'completed', 'completed', 'failed', 'retry')),
  );
  await fc.assert(
    fc.asyncProperty(arbitrary, async ([dag, blockRunLimit, rules, ends]) => {
      const uuid = `limited_${made++}`;
      await engine.pipeline(uuid, dag, {
        rules: dag.map(() => rules.next().value),
        concurrency: { blockRunLimit },
      });
      const run = await engine.start(uuid);
      let held = await look();
      while (held.length > 0) {
        expect(held.length).toBeLessThanOrEqual(blockRunLimit);
        held = await turn(
          held.map((claim) => {
            const end = claim.retries > 0 ? 'completed' : (ends.next().value as Finish['outcome']);
            return ended(claim, end, end === 'retry' ? { retryAt: new Date() } : {});
          }),
        );
      }
      expect(['completed', 'failed']).toContain((await engine.runRow(run)).status);
      await expectInvariants(engine.database, run);
    }),
    { numRuns: 25 },
  );
});
