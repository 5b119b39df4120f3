import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseBlocksToRetry, planRetry } from '../../src/domain/retry.ts';
import { planCancel } from '../../src/domain/run.ts';
import { isCancelledAsWhole, isRetriedAsWhole } from '../../src/domain/whole-run.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { runOrigins } from '../../src/store/run-origin.ts';
import { applyRunPlan } from '../../src/store/run-plans.ts';
import { lockRun } from '../../src/store/run-snapshots.ts';
import { readRunOutlines } from '../../src/store/whole-runs.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

/**
 * Two databases live through the same. Then a run is cancelled or retried in both, in one as a whole, in the other block run by block
 * run as the planner says: afterwards they hold the same, down to every column and every word of the history.
 */
let asWhole: TestEngine;
let asPlanned: TestEngine;
let workers: readonly (readonly [TestEngine, TestWorker])[];
beforeAll(async () => {
  [asWhole, asPlanned] = await Promise.all([createTestEngine(), createTestEngine()]);
  workers = [
    [asWhole, await asWhole.worker()],
    [asPlanned, await asPlanned.worker()],
  ];
});
afterAll(() => Promise.all([asWhole.close(), asPlanned.close()]));

let clock = Date.UTC(2026, 0, 1);
function tick(): void {
  clock += 1000;
  for (const [engine] of workers) engine.setNow(new Date(clock));
}

type Round = { readonly want: number; readonly outcome: 'completed' | 'failed' | 'requeue' | 'condition_failed' };

/** A run of the DAG, some rounds on its way in both databases; nothing of it runs. */
async function liveThrough(
  pipeline: string,
  dag: readonly (readonly number[])[],
  rounds: readonly Round[],
): Promise<bigint> {
  tick();
  let runId = 0n;
  for (const [engine, worker] of workers) {
    await engine.pipeline(pipeline, dag);
    runId = await engine.start(pipeline);
    for (const { want, outcome } of rounds) {
      const { claims } = await worker.step(want);
      const { unsettled } = await worker.step(
        0,
        claims.map((claim) => ended(claim, outcome)),
      );
      await settleRuns(engine.context, unsettled);
    }
  }
  return runId;
}

async function outlineOf(runId: bigint) {
  const outlines = await Promise.all(workers.map(([{ database }]) => readRunOutlines(database.pool, [runId])));
  expect(outlines[0]).toEqual(outlines[1]);
  return outlines[0]!.get(runId)!;
}

/** Everything that is kept about a run. */
async function everything({ database }: TestEngine, runId: bigint) {
  const rows = async (table: string, column: string) =>
    (await database.pool.query(`select * from ${table} where ${column} = $1 order by 1, 2`, [runId])).rows;
  const events = await rows('run_event', 'pipeline_run_id');
  return {
    run: await rows('pipeline_run', 'id'),
    blocks: await rows('block_run', 'pipeline_run_id'),
    attempts: await rows('pipeline_run_attempt', 'pipeline_run_id'),
    // Each database has its own number for a transaction.
    events: events.map(({ xid: _xid, ...event }) => event),
  };
}

async function expectTheSame(runId: bigint): Promise<void> {
  expect(await everything(asWhole, runId)).toEqual(await everything(asPlanned, runId));
  await expectInvariants(asWhole.database, runId);
}

async function cancel(runId: bigint, reason: string | null): Promise<void> {
  tick();
  expect(isCancelledAsWhole(await outlineOf(runId))).toBe(true);
  expect(await cancelPipelineRun(asWhole.context, { runId, reason, actor: 'ada' })).toMatchObject({ ok: true });
  const message = reason === null ? 'Cancelled by ada.' : `Cancelled by ada: ${reason}`;
  await asPlanned.database.transaction(async (client) => {
    const run = (await lockRun(client, runId))!;
    const plan = planCancel(run, { code: 'CANCELLED_BY_USER', message, actor: 'ada' });
    await applyRunPlan(client, run, plan, asPlanned.context.now(), { cancelRequested: true });
  });
  await expectTheSame(runId);
}

async function retry(runId: bigint, reason: string | null): Promise<void> {
  tick();
  const outline = await outlineOf(runId);
  expect(isRetriedAsWhole(outline)).toBe(true);
  const input = {
    runId,
    mode: 'incomplete' as const,
    fromBlock: null,
    variables: {},
    expectedAttempt: outline.attempt,
  };
  expect(await retryPipelineRun(asWhole.context, { ...input, reason, actor: 'ada' })).toMatchObject({ ok: true });
  await asPlanned.database.transaction(async (client) => {
    const run = (await lockRun(client, runId))!;
    const chosen = chooseBlocksToRetry(run, 'incomplete', null);
    if (!chosen.ok) throw new Error(chosen.refusal.message);
    const plan = planRetry(run, chosen.value, { code: 'OTHER', message: reason ?? 'Retried by ada.', actor: 'ada' });
    const change = {
      attempt: run.attempt + 1,
      mode: 'incomplete' as const,
      fromBlock: null,
      actor: 'ada',
      why: reason,
      codeVersion: 'v1',
      variables: (await runOrigins(client, [runId])).get(runId)!.variables,
    };
    await applyRunPlan(client, run, plan, asPlanned.context.now(), { retry: change });
  });
  await expectTheSame(runId);
}

let sample = 0;
test('a run that is cancelled and retried as a whole is as if each of its block runs had been looked at', {
  timeout: 60_000,
}, async () => {
  const round = fc.record({
    want: fc.integer({ min: 1, max: 3 }),
    outcome: fc.constantFrom('completed', 'completed', 'failed', 'requeue', 'condition_failed'),
  });
  const reason = fc.constantFrom(null, 'wrong day');
  const seen = { cancelled: 0, retried: 0 };
  await fc.assert(
    fc.asyncProperty(arbitraryDag(6), fc.array(round, { maxLength: 5 }), reason, async (dag, rounds, why) => {
      const runId = await liveThrough(`lived_${sample++}`, dag, rounds);
      const { status } = await outlineOf(runId);
      if (status === 'running') {
        await cancel(runId, why);
        seen.cancelled++;
      }
      if (status === 'completed') return;
      await retry(runId, why);
      seen.retried++;
      // Not yet admitted again: so it waits, and so it can be cancelled as a whole once more.
      await cancel(runId, null);
    }),
    { numRuns: 40 },
  );
  expect(Math.min(seen.cancelled, seen.retried)).toBeGreaterThan(5);
});

test('outputs that lie in a file are looked for before they are reused: what is gone runs again', async () => {
  const engine = await createTestEngine();
  const worker = await engine.worker();
  const file = { name: 'output_0', kind: 'table', format: 'jsonl', file: 'data.jsonl', pythonType: null } as const;
  const output = { ...file, mimeType: null, columns: [], rowCount: 1, columnCount: 1, sizeBytes: 9, path: 'gone' };
  await engine.pipeline('gone', [[], [0], [1]]);
  const runId = await engine.start('gone');
  const first = await worker.step(1);
  const second = await worker.step(
    1,
    first.claims.map((claim) => ended(claim, 'completed', { outputs: [output] })),
  );
  const third = await worker.step(
    0,
    second.claims.map((claim) => ended(claim, 'failed')),
  );
  await settleRuns(engine.context, third.unsettled);
  expect(await engine.statuses(runId)).toEqual(['completed', 'failed', 'upstream_failed']);
  const context = { ...engine.context, isOutputStored: async (path: string) => path !== 'gone' };
  const input = { runId, mode: 'incomplete' as const, fromBlock: null, variables: {}, expectedAttempt: null };
  expect(await retryPipelineRun(context, { ...input, reason: null, actor: 'ada' })).toMatchObject({ ok: true });
  expect(await engine.statuses(runId)).toEqual(['initial', 'initial', 'initial']);
  await expectInvariants(engine.database, runId);
  await engine.close();
});
