import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

test('half of the runs are cancelled under four workers, two of which are taken for lost by two reapers, without a deadlock', async () => {
  await engine.pipeline('halved', [[], [], [], [0, 1, 2], [3], [3]]);
  const before = await deadlocks();
  for (let round = 0; round < 6; round++) {
    const runs: bigint[] = [];
    for (let i = 0; i < 10; i++) runs.push(await engine.start('halved'));
    const workers = await Promise.all(Array.from({ length: 4 }, () => engine.worker()));
    const work = async (worker: TestWorker) => {
      let held: readonly Claim[] = [];
      for (let idle = 0; idle < 20; ) {
        const { claims, unsettled } = await worker.step(
          4,
          held.map((claim) => ended(claim)),
        );
        await settleRuns(engine.context, unsettled);
        idle = claims.length > 0 ? 0 : idle + 1;
        held = claims;
      }
    };
    const lose = async (place: number) => releaseLostClaims(engine.context, workers[place]!.id);
    await Promise.all([
      ...workers.map(work),
      ...runs
        .filter((_, place) => place % 2 === 0)
        .map((runId) => cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' })),
      ...[0, 1, 0, 1].map(lose),
    ]);
  }
  await settleRuns(engine.context);
  expect(await deadlocks()).toBe(before);
  await expectInvariants(engine.database);
}, 60_000);

test('four workers on the same runs, and people who cancel and retry them, never wait for each other in a circle', async () => {
  await engine.pipeline('contended', [[], [0], [0], [1, 2], [3], [3]]);
  const runs: bigint[] = [];
  for (let i = 0; i < 8; i++) runs.push(await engine.start('contended'));
  const before = await deadlocks();
  let working = true;

  const workers = Array.from({ length: 4 }, async (_, number) => {
    const worker = await engine.worker();
    let held: readonly Claim[] = [];
    // Bounded: each round moves what there is, and a worker leaves when the people are done and it holds nothing.
    for (let round = 0; round < 5000 && (working || held.length > 0); round++) {
      const outcome = (round + number) % 11 === 0 ? 'failed' : 'completed';
      const { claims, unsettled } = await worker.step(
        working ? 3 : 0,
        held.map((claim) => ended(claim, outcome)),
      );
      await settleRuns(engine.context, unsettled);
      held = claims;
    }
  });
  const people = Array.from({ length: 3 }, async (_, number) => {
    for (let i = 0; i < 40; i++) {
      const runId = runs[(i * 3 + number) % runs.length]!;
      if ((i + number) % 3 === 0) await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
      else {
        await retryPipelineRun(engine.context, {
          runId,
          mode: 'incomplete',
          fromBlock: null,
          variables: {},
          reason: null,
          expectedAttempt: null,
          actor: 'ada',
        });
        await engine.admit();
      }
    }
  });
  await Promise.all(people);
  working = false;
  await Promise.all(workers);
  await settleRuns(engine.context);
  expect(await deadlocks()).toBe(before);
  await expectInvariants(engine.database);
}, 60_000);

async function deadlocks(): Promise<bigint> {
  const { rows } = await engine.database.pool.query<{ deadlocks: bigint }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  return rows[0]!.deadlocks;
}
