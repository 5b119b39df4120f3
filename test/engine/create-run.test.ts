import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newRun } from '../../src/engine/trigger-pipeline.ts';
import { currentPipeline } from '../../src/store/catalog.ts';
import { createRun, startRuns } from '../../src/store/pipeline-runs.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { storedOf } from '../support/stored.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

const triggerRules = ['all_success', 'none_failed', 'all_done', 'one_success'] as const;

test('a run that starts where it is made leaves the same rows as one that is made and then started', async () => {
  const { pool } = engine.database;
  let pipelines = 0;
  await fc.assert(
    fc.asyncProperty(
      arbitraryDag(7).chain((dag) =>
        fc.record({
          dag: fc.constant(dag),
          rules: fc.array(fc.constantFrom(...triggerRules), { minLength: dag.length, maxLength: dag.length }),
          blockRunLimit: fc.option(fc.integer({ min: 0, max: 4 })),
          crashRetries: fc.integer({ min: 0, max: 3 }),
          timeoutSeconds: fc.option(fc.integer({ min: 1, max: 9 })),
        }),
      ),
      async ({ dag, rules, blockRunLimit, crashRetries, timeoutSeconds }) => {
        const now = new Date('2026-03-04T05:06:07.008Z');
        const uuid = `p${++pipelines}`;
        await engine.pipeline(uuid, dag, { rules, crashRetries, concurrency: { blockRunLimit } });
        const pipeline = await currentPipeline(engine.database, uuid);
        const run = {
          ...newRun(pipeline!, null, {
            executionDate: now,
            variables: {},
            settings: { timeoutSeconds },
            now,
            env: 'prod',
          }),
          cause: 'api',
          createdBy: 'ada',
          idempotencyKey: null,
          idempotencyHash: null,
        } as const;
        const atOnce = (await createRun(pool, run, now, { start: true }))!;
        const later = (await createRun(pool, run, now))!;
        expect(await startRuns(pool, [later], now)).toEqual([later]);
        const stored = await storedOf(engine.database, atOnce);
        expect(stored).toEqual(await storedOf(engine.database, later));
        await expectInvariants(engine.database, atOnce);
        await pool.query('delete from ready');
      },
    ),
    { numRuns: 60 },
  );
});

test('a crowd of blocks is queued in its order, each one a little behind the one before', async () => {
  const { pool } = engine.database;
  await engine.pipeline('crowd', Array(1200).fill([]));
  const run = await engine.start('crowd');
  const { rows } = await pool.query(
    `select b.position, r.prio from ready r join block_run b on b.id = r.block_run_id where r.run_id = $1 order by r.id`,
    [run],
  );
  expect(rows.map((row) => row.position)).toEqual(Array.from({ length: 1200 }, (_, index) => index + 1));
  expect(rows.map((row) => row.prio)).toEqual(Array.from({ length: 1200 }, (_, index) => Math.min(index, 1000)));
});
