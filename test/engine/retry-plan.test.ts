import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admitRuns } from '../../src/engine/admit-runs.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { planOfRetry, retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(() => engine.close());

const file = {
  name: 'output_0',
  kind: 'table',
  format: 'jsonl',
  file: 'data.jsonl',
  pythonType: null,
  mimeType: null,
} as const;
const numbers = { columns: [], rowCount: 1, columnCount: 1, sizeBytes: 10 } as const;

/** Runs until its end; each block ends as the list says, with an output in the store. */
async function runToItsEnd(
  runId: bigint,
  outcomes: readonly ('completed' | 'failed' | 'condition_failed')[],
): Promise<void> {
  for (let round = 0; round < 50; round++) {
    await admitRuns(engine.context);
    await settleRuns(engine.context);
    const { claims, unsettled } = await worker.step(10);
    const finishes = claims.map((claim) => {
      const outputs = [{ ...file, ...numbers, path: `${claim.run}/${claim.uuid}/${claim.fence}/output_0` }];
      return ended(claim, outcomes[Number(claim.uuid.slice(1)) - 1] ?? 'completed', { outputs });
    });
    const next = await worker.step(0, finishes);
    await settleRuns(engine.context, [...unsettled, ...next.unsettled]);
    if (['completed', 'failed', 'cancelled'].includes((await engine.runRow(runId)).status as string)) return;
    // A failing run waits for those that it stops.
    if (claims.length === 0) await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  }
  throw new Error('the run did not end');
}

async function statusesByBlock(runId: bigint): Promise<ReadonlyMap<string, string>> {
  const { rows } = await engine.database.pool.query<{ block_uuid: string; status: string }>(
    'select block_uuid, status from block_run where pipeline_run_id = $1 order by position',
    [runId],
  );
  return new Map(rows.map((row) => [row.block_uuid, row.status]));
}

let sample = 0;
test('what a plan says is what the retry does, whatever the run, the mode and the outputs that are left', {
  timeout: 60_000,
}, async () => {
  const outcome = fc.constantFrom('completed', 'completed', 'failed', 'condition_failed');
  await fc.assert(
    fc.asyncProperty(
      arbitraryDag(6),
      fc.array(outcome, { minLength: 6, maxLength: 6 }),
      fc.constantFrom('incomplete', 'from_block', 'all'),
      fc.nat({ max: 5 }),
      fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      async (dag, outcomes, mode, place, kept) => {
        const pipeline = `planned_${sample++}`;
        await engine.pipeline(pipeline, dag);
        const runId = await engine.start(pipeline);
        await runToItsEnd(runId, outcomes);
        const isOutputStored = async (path: string) => kept[Number(path.split('/')[1]!.slice(1)) - 1] ?? true;
        const context = { ...engine.context, isOutputStored };
        const before = await statusesByBlock(runId);
        const asked = {
          runId,
          mode,
          fromBlock: mode === 'from_block' ? `b${1 + (place % dag.length)}` : null,
        } as const;

        const plan = await planOfRetry(context, asked);
        expect(await statusesByBlock(runId)).toEqual(before);
        const answer = await retryPipelineRun(context, {
          ...asked,
          variables: {},
          reason: null,
          expectedAttempt: null,
          actor: 'ada',
        });

        if (!answer.ok) {
          expect(plan).toMatchObject({ refused: answer.refusal, blockRuns: [], reuses: [] });
          return;
        }
        expect(plan.refused).toBeNull();
        expect(plan.createsNewRun).toBe(answer.value.runId !== runId);
        const after = await statusesByBlock(answer.value.runId);
        const again = [...after].filter(([, status]) => status === 'initial').map(([uuid]) => uuid);
        expect(plan.blockRuns.map((item) => item.blockUuid)).toEqual(again);
        for (const item of plan.blockRuns) expect(item.status).toBe(before.get(item.blockUuid));
        if (mode === 'all') return;
        const completed = [...after].filter(([, status]) => status === 'completed').map(([uuid]) => uuid);
        expect(plan.reuses.map((item) => item.blockUuid)).toEqual(completed);
        // Whatever runs again finds what it needs: each upstream runs again too, was skipped, or has its output.
        for (const [index, upstream] of dag.entries()) {
          if (!again.includes(`b${index + 1}`)) continue;
          for (const above of upstream) {
            const status = after.get(`b${above + 1}`);
            expect(
              status === 'initial' || status === 'condition_failed' || (status === 'completed' && kept[above]),
            ).toBe(true);
          }
        }
        await cancelPipelineRun(engine.context, { runId: answer.value.runId, reason: null, actor: 'ada' });
      },
    ),
    { numRuns: 60 },
  );
});

test('42: from a block below one that never completed runs that one too', async () => {
  await engine.pipeline('gap', [[], [0], [1]]);
  const runId = await engine.start('gap');
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  const plan = await planOfRetry(engine.context, { runId, mode: 'from_block', fromBlock: 'b3' });
  expect(plan.blockRuns.map(({ blockUuid, reason }) => [blockUuid, reason])).toEqual([
    ['b1', 'UPSTREAM_INCOMPLETE'],
    ['b2', 'UPSTREAM_INCOMPLETE'],
    ['b3', 'SELECTED'],
  ]);
});

test('a completed upstream whose output was pruned runs again, and says so', async () => {
  await engine.pipeline('pruned', [[], [0]]);
  const runId = await engine.start('pruned');
  await runToItsEnd(runId, ['completed', 'failed']);
  const context = { ...engine.context, isOutputStored: async () => false };
  const asked = { runId, mode: 'incomplete', fromBlock: null } as const;
  expect((await planOfRetry(engine.context, asked)).reuses).toMatchObject([{ blockUuid: 'b1', reason: 'REUSED' }]);
  expect((await planOfRetry(context, asked)).blockRuns).toEqual([
    { blockUuid: 'b1', status: 'completed', reason: 'OUTPUT_GONE' },
    { blockUuid: 'b2', status: 'failed', reason: 'NOT_COMPLETED' },
  ]);
});

test('a plan of a run that nobody knows, or of a changed pipeline, says so', async () => {
  expect(await planOfRetry(engine.context, { runId: 987654n, mode: 'all', fromBlock: null })).toMatchObject({
    refused: { code: 'NOT_FOUND' },
    createsNewRun: true,
  });
  await engine.pipeline('edited', [[], [0]]);
  const runId = await engine.start('edited');
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  const asked = { runId, mode: 'incomplete', fromBlock: null } as const;
  expect(await planOfRetry(engine.context, asked)).toMatchObject({ definitionChanged: false });
  await engine.pipeline('edited', [[], [0]], { version: 'v2' });
  expect(await planOfRetry(engine.context, asked)).toMatchObject({ definitionChanged: true, refused: null });
});
