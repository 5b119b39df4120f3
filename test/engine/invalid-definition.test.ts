import { afterAll, beforeAll, expect, test } from 'vitest';
import { fireTriggers } from '../../src/engine/fire-triggers.ts';
import { planOfRetry, retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

const rows = async (text: string, values: readonly unknown[] = []) =>
  (await engine.database.pool.query(text, [...values])).rows;

test('5: a tick of a broken pipeline makes a run that has failed and says why; nothing is scheduled, and ALL retries it when it is mended', async () => {
  await engine.pipeline('broken', [[], [0]], { isRunnable: false });
  await rows(
    `insert into trigger (pipeline_uuid, name, type, status, schedule_interval, settings, managed_by_code, last_enabled_at, created_at, updated_at)
     values ('broken', 'hourly', 'time', 'active', '@hourly', '{}', true, '2026-03-01T09:30:00Z', now(), now())`,
  );
  engine.setNow(new Date('2026-03-01T10:00:01Z'));
  await fireTriggers(engine.context);
  await fireTriggers(engine.context);

  const [run, ...others] = await rows(`select * from pipeline_run where pipeline_uuid = 'broken'`);
  expect(others).toEqual([]);
  expect(run).toMatchObject({
    status: 'failed',
    reason_code: 'DEFINITION_INVALID',
    reason_message: expect.stringContaining('pipelines/broken/metadata.yaml: It is broken.'),
    completed_at: expect.any(Date),
    error: { type: 'DefinitionInvalid' },
    blocks_total: 0,
  });
  expect(await rows('select outcome, pipeline_run_id from trigger_tick')).toEqual([
    { outcome: 'failed', pipeline_run_id: run.id },
  ]);
  expect(await rows('select 1 from ready')).toEqual([]);
  await expectInvariants(engine.database, run.id);

  const retry = {
    runId: run.id as bigint,
    fromBlock: null,
    variables: {},
    reason: null,
    expectedAttempt: null,
    actor: 'ada',
  };
  expect(await retryPipelineRun(engine.context, { ...retry, mode: 'incomplete' })).toMatchObject({
    refusal: { code: 'INVALID_STATE', message: expect.stringContaining('mode ALL') },
  });
  await engine.pipeline('broken', [[], [0]], { version: 'v2' });
  expect(await planOfRetry(engine.context, { ...retry, mode: 'all' })).toMatchObject({
    refused: null,
    createsNewRun: true,
    definitionChanged: true,
    blockRuns: [{ blockUuid: 'b1' }, { blockUuid: 'b2' }],
  });
  expect(await retryPipelineRun(engine.context, { ...retry, mode: 'all' })).toMatchObject({ ok: true });
  engine.setNow(null);
});
