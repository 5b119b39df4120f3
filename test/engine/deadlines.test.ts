import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { giveUpStops } from '../../src/engine/give-up-stops.ts';
import { markMissedSlas } from '../../src/engine/mark-missed-slas.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import { timeOutRuns } from '../../src/engine/time-out-runs.ts';
import { nextDeadline } from '../../src/store/deadlines.ts';
import { claimsToStop } from '../../src/store/workers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(async () => {
  engine.setNow(null);
  await engine.close();
});

const query = async (text: string, values: unknown[]) => (await engine.database.pool.query(text, values)).rows;

test('7: an SLA of 600 s is missed by the run that is 601 s past its tick, once, and changes no status', async () => {
  await engine.pipeline('late', [[]]);
  const [late, early] = [await engine.start('late'), await engine.start('late')];
  const now = new Date();
  for (const [runId, secondsAgo] of [
    [late, 601],
    [early, 599],
  ] as const) {
    await query('update pipeline_run set sla_seconds = 600, sla_deadline = $2 where id = $1', [
      runId,
      new Date(now.getTime() + (600 - secondsAgo) * 1000),
    ]);
  }
  engine.setNow(now);
  expect(await markMissedSlas(engine.context)).toBe(1);
  expect(await markMissedSlas(engine.context)).toBe(0);
  expect(await engine.runRow(late)).toMatchObject({ passed_sla: true, status: 'running' });
  expect(await engine.runRow(early)).toMatchObject({ passed_sla: false });
  expect(await nextDeadline(engine.database.pool)).toEqual(new Date(now.getTime() + 1000));
  expect(
    await query(`select count(*)::int as n from run_event where kind = 'sla_missed' and pipeline_run_id = $1`, [late]),
  ).toEqual([{ n: 1 }]);
  await expectInvariants(engine.database, late);
  engine.setNow(null);
  for (const claim of (await worker.step(2)).claims) await worker.step(0, [ended(claim)]);
  // An end does not take it back, and a run that has ended can't be late any more.
  engine.setNow(new Date(now.getTime() + 10_000));
  expect(await markMissedSlas(engine.context)).toBe(0);
  engine.setNow(null);
  expect(await engine.runRow(late)).toMatchObject({ passed_sla: true, status: 'completed' });
});

test('an SLA that passed while no scheduler was there is told late, once, also of a run that has ended since', async () => {
  await engine.pipeline('unseen', [[]]);
  const [over, inTime] = [await engine.start('unseen'), await engine.start('unseen')];
  for (const claim of (await worker.step(2)).claims) await worker.step(0, [ended(claim)]);
  const deadlineOf = (runId: bigint, secondsAfterItsEnd: number) =>
    query(
      'update pipeline_run set sla_seconds = 600, sla_deadline = completed_at + make_interval(secs => $2) where id = $1',
      [runId, secondsAfterItsEnd],
    );
  await deadlineOf(over, -1);
  await deadlineOf(inTime, 1);
  engine.setNow(new Date(Date.now() + 60_000));
  expect((await nextDeadline(engine.database.pool))!.getTime()).toBeLessThan(Date.now());
  expect(await markMissedSlas(engine.context)).toBe(1);
  expect(await markMissedSlas(engine.context)).toBe(0);
  expect(await nextDeadline(engine.database.pool)).toBeNull();
  engine.setNow(null);
  expect(await engine.runRow(over)).toMatchObject({ passed_sla: true, status: 'completed' });
  expect(await engine.runRow(inTime)).toMatchObject({ passed_sla: false, status: 'completed' });
  expect(
    await query(
      `select pipeline_run_id, reason_message from run_event where kind = 'sla_missed' and pipeline_run_id = any($1)`,
      [[over, inTime]],
    ),
  ).toEqual([{ pipeline_run_id: over, reason_message: 'It ended later than the 600 s that its SLA allows.' }]);
  await expectInvariants(engine.database, over);
});

test('a worker that is told to stop and never says what became of it is not waited for: grace and five seconds later the run ends', async () => {
  await engine.pipeline('deaf', [[]]);
  const runId = await engine.start('deaf');
  const { claims } = await worker.step(1);
  const at = new Date();
  engine.setNow(at);
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  const later = (ms: number) => engine.setNow(new Date(at.getTime() + ms));
  later(14_900);
  expect(await giveUpStops(engine.context, 10_000)).toBe(0);
  later(15_100);
  expect(await giveUpStops(engine.context, 10_000)).toBe(1);
  await settleRuns(engine.context);
  engine.setNow(null);
  expect(await engine.runRow(runId)).toMatchObject({ status: 'cancelled', reason_code: 'CANCELLED_BY_USER' });
  // The worker hears that it holds nothing any more, and what it says late changes nothing.
  const held = claims.map((claim) => ({ blockRunId: claim.id, fence: claim.fence }));
  expect(await claimsToStop(engine.database.pool, worker.id, held)).toEqual({ stop: [], lost: [claims[0]!.id] });
  await worker.step(0, [ended(claims[0]!)]);
  expect(await engine.statuses(runId)).toEqual(['cancelled']);
  await expectInvariants(engine.database, runId);
});

test('6: a run is over its timeout once, however long it takes to stop; nobody is told twice, and the patience with its worker does not begin anew', async () => {
  await engine.pipeline('over', [[]]);
  const runId = await engine.start('over', { settings: { timeoutSeconds: 600 } });
  await worker.step(1);
  const started = (await engine.runRow(runId)).started_at as Date;
  const after = (seconds: number) => engine.setNow(new Date(started.getTime() + seconds * 1000));
  after(599);
  expect(await timeOutRuns(engine.context)).toBe(0);
  after(601);
  expect(await timeOutRuns(engine.context)).toBe(1);
  after(608);
  expect(await timeOutRuns(engine.context)).toBe(0);
  expect(await nextDeadline(engine.database.pool)).not.toEqual(new Date(started.getTime() + 600_000));
  await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
  after(617);
  expect(await giveUpStops(engine.context, 10_000)).toBe(1);
  await settleRuns(engine.context);
  engine.setNow(null);
  expect(await engine.runRow(runId)).toMatchObject({ status: 'failed', reason_code: 'TIMED_OUT', timed_out: true });
  expect(
    await query(`select count(*)::int as n from run_event where kind = 'timed_out' and pipeline_run_id = $1`, [runId]),
  ).toEqual([{ n: 1 }]);
  await expectInvariants(engine.database, runId);
});

test('40: a run that fails already is cancelled once, by however many', async () => {
  await engine.pipeline('falling', [[], []]);
  const runId = await engine.start('falling');
  const { claims } = await worker.step(2);
  await worker.step(0, [ended(claims[0]!, 'failed')]);
  await settleRuns(engine.context);
  const cancels = ['ada', 'grace', 'mary'].map((actor) =>
    cancelPipelineRun(engine.context, { runId, reason: null, actor }),
  );
  expect((await Promise.all(cancels)).every((answer) => answer.ok)).toBe(true);
  const asked = await query(
    `select count(*)::int as n from run_event where kind = 'cancel_requested' and pipeline_run_id = $1`,
    [runId],
  );
  expect(asked).toEqual([{ n: 1 }]);
  await worker.step(0, [ended(claims[1]!, 'stopped')]);
  await settleRuns(engine.context);
  expect(await engine.runRow(runId)).toMatchObject({ status: 'failed', reason_code: 'BLOCK_FAILED' });
  await expectInvariants(engine.database, runId);
});
