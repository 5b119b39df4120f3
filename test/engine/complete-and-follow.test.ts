import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { storedOf } from '../support/stored.ts';

let engine: TestEngine;
let worker: TestWorker;
let pipelines = 0;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(() => engine.close());

const chain = [[], [0], [1]] as const;
const triggerRules = ['all_success', 'none_failed', 'all_done', 'one_success'] as const;
const output = { name: 'output_0', kind: 'json', inline: 7, sizeBytes: 1 } as never;
const passed = { name: 'is seven', passed: true, message: null };

/** Starts a run and claims its first block. */
async function begun(pipeline: string): Promise<{ readonly run: bigint; readonly claim: Claim }> {
  const run = await engine.start(pipeline);
  const { claims } = await worker.step(1);
  expect(claims.map((claim) => BigInt(claim.run))).toEqual([run]);
  return { run, claim: claims[0]! };
}

describe('the short way of a chain', () => {
  test('stores exactly what a step would, and claims the same', async () => {
    await engine.pipeline('chain', chain);
    engine.setNow(new Date('2026-03-04T05:06:07.008Z'));
    const [short, long] = [await begun('chain'), await begun('chain')];
    const given = { outputs: [output], tests: [passed], droppedLines: 3, maxRssBytes: null };
    const followed = await worker.follow(short.claim, given);
    const stepped = await worker.step(1, [ended(long.claim, 'completed', given)]);
    expect({ ...followed, id: 0, run: 0 }).toEqual({ ...stepped.claims[0], id: 0, run: 0 });
    expect(followed?.inputs).toEqual([{ uuid: 'b1', status: 'completed', outputs: [output] }]);
    expect(await storedOf(engine.database, short.run)).toEqual(await storedOf(engine.database, long.run));
    engine.setNow(null);
    // Both go on to their ends by whatever way.
    await worker.step(0, [ended(stepped.claims[0]!)]);
    const last = await worker.follow(followed!);
    expect(last?.uuid).toBe('b3');
    const rest = await worker.step(1, [ended(last!)]);
    await worker.step(
      0,
      rest.claims.map((claim) => ended(claim)),
    );
    for (const { run } of [short, long]) {
      expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
      await expectInvariants(engine.database, run);
    }
  });

  const sql = (text: string) => async (run: bigint) => {
    await engine.database.pool.query(text, [run]);
  };
  const notTaken: readonly [string, (run: bigint) => Promise<unknown>, (readonly (readonly number[])[])?][] = [
    ['the run is cancelled', (run) => cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null })],
    [
      'only this attempt was told to stop',
      sql('update block_run set stop_requested = true where pipeline_run_id = $1'),
    ],
    ['the run has a block_run_limit', sql('update pipeline_run set block_run_limit = 5 where id = $1')],
    ['the run has callbacks', sql('update pipeline_run set has_callbacks = true where id = $1')],
    ['another worker holds it', sql('update block_run set worker_id = 0 where pipeline_run_id = $1')],
    ['it was taken from here and given back', sql('update block_run set fence = fence + 1 where pipeline_run_id = $1')],
    [
      'the next one is for other workers',
      sql(`update block_run set label = 'gpu' where pipeline_run_id = $1 and block_uuid = 'b2'`),
    ],
    [
      'the next one has a rule for the planner',
      sql(`update block_run set trigger_rule = 'all_done' where pipeline_run_id = $1 and block_uuid = 'b2'`),
    ],
    [
      'the next one has ended',
      sql(`update block_run set status = 'cancelled' where pipeline_run_id = $1 and block_uuid = 'b2'`),
    ],
    ['the next one waits for another as well', async () => {}, [[], [], [0, 1]]],
    ['two go on', async () => {}, [[], [0], [0]]],
    ['nothing follows', async () => {}, [[]]],
  ];
  test.each(notTaken)('is not taken when %s, and then nothing has changed', async (_, arrange, dag = chain) => {
    const pipeline = `other_${++pipelines}`;
    await engine.pipeline(pipeline, dag);
    const { run, claim } = await begun(pipeline);
    await arrange(run);
    const before = await storedOf(engine.database, run);
    expect(await worker.follow(claim)).toBeNull();
    expect(await storedOf(engine.database, run)).toEqual(before);
    await engine.database.pool.query('delete from ready where run_id = $1', [run]);
  });

  test('a report whose answer was lost changes nothing when it is repeated, by either way', async () => {
    await engine.pipeline('chain', chain);
    const { run, claim } = await begun('chain');
    await worker.follow(claim);
    const before = await storedOf(engine.database, run);
    expect(await worker.follow(claim)).toBeNull();
    expect((await worker.step(0, [ended(claim)])).claims).toEqual([]);
    expect(await storedOf(engine.database, run)).toEqual(before);
  });

  test('any graph with any trigger rules and failures ends alike whether the short way is tried or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryDag(8).chain((dag) =>
          fc.record({
            dag: fc.constant(dag),
            rules: fc.array(fc.constantFrom(...triggerRules), { minLength: dag.length, maxLength: dag.length }),
            fails: fc.array(fc.boolean(), { minLength: dag.length, maxLength: dag.length }),
          }),
        ),
        async ({ dag, rules, fails }) => {
          const pipeline = `any_${++pipelines}`;
          await engine.pipeline(pipeline, dag, { rules });
          const ends = [];
          for (const isShort of [true, false]) {
            const run = await engine.start(pipeline);
            await runToItsEnd(isShort, (claim) => fails[Number(claim.uuid.slice(1)) - 1]!);
            await expectInvariants(engine.database, run);
            ends.push({ run: (await engine.runRow(run)).status, blocks: await engine.statuses(run) });
          }
          // After a failure it depends on the order how far the others come.
          const seen = ends.map(({ run, blocks }) => (fails.includes(true) ? run : { run, blocks }));
          expect(seen[0]).toEqual(seen[1]);
          expect(['completed', 'failed']).toContain(ends[0]?.run);
        },
      ),
      { numRuns: 40 },
    );
  });

  /** One at a time, in the order in which they are claimed. */
  async function runToItsEnd(isShort: boolean, fails: (claim: Claim) => boolean): Promise<void> {
    let held: Claim | null = null;
    for (;;) {
      const failed: boolean = held !== null && fails(held);
      const followed: Claim | null = held && isShort && !failed ? await worker.follow(held) : null;
      if (followed) {
        held = followed;
        continue;
      }
      const answer = await worker.step(1, held ? [ended(held, failed ? 'failed' : 'completed')] : []);
      const settled = await settleRuns(engine.context, answer.unsettled);
      held = answer.claims[0] ?? null;
      if (!held && settled === 0 && !answer.more) return;
    }
  }
});
