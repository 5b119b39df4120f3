import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim, Finish } from '../../src/store/step.ts';
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

const saidNo = (claim: Claim) => ended(claim, 'condition_failed', { code: 'CONDITION_FALSE', message: 'It said no.' });

async function report(finishes: readonly Finish[]): Promise<readonly Claim[]> {
  const { unsettled } = await worker.step(0, finishes);
  await settleRuns(engine.context, unsettled);
  return (await worker.step(4)).claims;
}

test('a block that is not let in skips what needs it, a join runs by its rule, and the run completes', async () => {
  await engine.pipeline('joined', [[], [0], [1], [2]], {
    rules: ['all_success', 'all_success', 'none_failed', 'all_success'],
  });
  const run = await engine.start('joined');
  const [first] = (await worker.step(4)).claims;
  const [join] = await report([saidNo(first!)]);
  expect(join).toMatchObject({ uuid: 'b3', inputs: [{ uuid: 'b2', status: 'condition_failed' }] });
  const [last] = await report([ended(join!)]);
  await report([ended(last!)]);
  expect(await engine.statuses(run)).toEqual(['condition_failed', 'condition_failed', 'completed', 'completed']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed', reason_code: 'SUCCEEDED' });
  const attempts = await engine.database.pool.query(
    'select status, reason_code from block_attempt where pipeline_run_id = $1 order by block_run_id',
    [run],
  );
  expect(attempts.rows[0]).toEqual({ status: 'condition_failed', reason_code: 'CONDITION_FALSE' });
});

test('a condition that raises leaves its error on the block run', async () => {
  await engine.pipeline('confused', [[]]);
  const run = await engine.start('confused');
  const [only] = (await worker.step(4)).claims;
  const error = { blockUuid: 'guard', type: 'ValueError', message: 'no idea', stackTrace: 'at guard' };
  await report([ended(only!, 'condition_failed', { code: 'CONDITION_ERROR', message: 'It raised.', error })]);
  const { rows } = await engine.database.pool.query(
    'select status, reason_code, error from block_run where pipeline_run_id = $1',
    [run],
  );
  expect(rows).toEqual([{ status: 'condition_failed', reason_code: 'CONDITION_ERROR', error }]);
  expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
});

test('a no that comes under a cancel is a cancelled block run', async () => {
  await engine.pipeline('stopped', [[], [0]]);
  const run = await engine.start('stopped');
  const [first] = (await worker.step(4)).claims;
  await cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });
  await report([saidNo(first!)]);
  expect(await engine.statuses(run)).toEqual(['cancelled', 'cancelled']);
  expect(await engine.runRow(run)).toMatchObject({ status: 'cancelled' });
});
