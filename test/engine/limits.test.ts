import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fireTriggers } from '../../src/engine/fire-triggers.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(() => engine.close());

const statusesOf = async (runs: readonly bigint[]) =>
  Promise.all(runs.map(async (run) => (await engine.runRow(run)).status));
const running = async (pipelineUuid: string) =>
  (
    await engine.database.pool.query<{ n: number }>(
      `select count(*)::int as n from pipeline_run where pipeline_uuid = $1 and status = 'running'`,
      [pipelineUuid],
    )
  ).rows[0]!.n;

/** Ends one run that runs, by its single block. */
async function endOne(): Promise<void> {
  const { claims } = await worker.step(1);
  await worker.step(
    0,
    claims.map((claim) => ended(claim)),
  );
}

async function trigger(pipelineUuid: string, name: string, interval: string | null, limit: number | null = null) {
  const { rows } = await engine.database.pool.query<{ id: bigint }>(
    `insert into trigger (pipeline_uuid, name, type, status, schedule_interval, settings, managed_by_code, last_enabled_at, created_at, updated_at)
     values ($1, $2, 'time', 'active', $3, $4, false, '2020-01-01', now(), now()) returning id`,
    [pipelineUuid, name, interval, JSON.stringify({ pipelineRunLimit: limit })],
  );
  return rows[0]!.id;
}

test('schedulers that admit at the same time never let more run than the limit', async () => {
  await engine.pipeline('contended', [[]], { concurrency: { pipelineRunLimitAllTriggers: 3 } });
  let day = 0;
  for (let round = 0; round < 10; round++) {
    // Each run comes before all that wait: without a lock, one scheduler starts it beside what another has just started.
    await Promise.all(
      Array.from({ length: 6 }, () =>
        engine.start('contended', { executionDate: new Date(Date.UTC(2026, 0, -day++)) }),
      ),
    );
    expect(await running('contended')).toBe(3);
    for (let i = 0; i < 3; i++) await endOne();
  }
  while ((await engine.admit()) > 0) for (let i = 0; i < 3; i++) await endOne();
  await expectInvariants(engine.database);
});

test('runs start by logical date, not in the order in which they were made', async () => {
  await engine.pipeline('dated', [[]], { concurrency: { pipelineRunLimit: 0 } });
  const runs: bigint[] = [];
  for (const day of [3, 1, 2]) {
    runs.push(await engine.start('dated', { executionDate: new Date(Date.UTC(2026, 0, day)) }));
  }
  await engine.pipeline('dated', [[]], { version: 'v2', concurrency: { pipelineRunLimit: 1 } });
  await engine.admit();
  expect(await statusesOf(runs)).toEqual(['initial', 'running', 'initial']);
  await endOne();
  await engine.admit();
  expect(await statusesOf(runs)).toEqual(['initial', 'completed', 'running']);
  await endOne();
  await engine.admit();
  await endOne();
});

test('a thousand runs that one limit holds back do not hide a run of another pipeline, nor of another trigger', async () => {
  await engine.pipeline('held', [[]], { concurrency: { pipelineRunLimit: 0 } });
  const own = await trigger('held', 'with a limit of its own', null, 1);
  const start = (triggerId: bigint | null) =>
    engine.database.pool.query(
      `insert into pipeline_run (pipeline_uuid, pipeline_version, code_version, tags, trigger_id, root_run_id, cause, execution_date, variables,
                                 blocks_total, blocks_initial, created_at, attempt_created_at)
       select 'held', 'v1', 'v1', '{}', $1, null, 'api', now(), '{}', 0, 0, now(), now() from generate_series(1, $2)`,
      [triggerId, triggerId === null ? 1200 : 1],
    );
  await start(null);
  await start(own);
  await engine.pipeline('behind', [[]], { concurrency: { pipelineRunLimit: 1 } });
  const behind = await engine.start('behind');
  expect(await statusesOf([behind])).toEqual(['running']);
  expect(await running('held')).toBe(1);
  await engine.database.pool.query(`delete from pipeline_run where pipeline_uuid = 'held'`);
  await endOne();
});

describe('a limit of 0', () => {
  test('starts nothing, and what waits starts when it is raised', async () => {
    await engine.pipeline('zero', [[]], { concurrency: { pipelineRunLimitAllTriggers: 0 } });
    const run = await engine.start('zero');
    expect(await engine.admit()).toBe(0);
    expect(await statusesOf([run])).toEqual(['initial']);
    await engine.pipeline('zero', [[]], { version: 'v2' });
    expect(await engine.admit()).toBe(1);
    await endOne();
  });
});

test('lowered below what runs: nothing new starts, nothing breaks, and it holds once enough have ended', async () => {
  await engine.pipeline('lowered', [[]], { concurrency: { pipelineRunLimit: 3 } });
  const runs: bigint[] = [];
  for (let i = 0; i < 5; i++) runs.push(await engine.start('lowered'));
  expect(await running('lowered')).toBe(3);
  await engine.pipeline('lowered', [[]], { version: 'v2', concurrency: { pipelineRunLimit: 1 } });
  for (const left of [2, 1]) {
    await endOne();
    expect(await engine.admit()).toBe(0);
    expect(await running('lowered')).toBe(left);
  }
  await endOne();
  expect(await engine.admit()).toBe(1);
  await endOne();
  await engine.admit();
  await endOne();
  expect(await statusesOf(runs)).toEqual(Array(5).fill('completed'));
});

describe('skip', () => {
  test('cancels the tick’s runs that are over the limit, with the limit in the reason; a person’s run waits', async () => {
    await engine.pipeline('skipping', [[]], {
      concurrency: { pipelineRunLimit: 1, onPipelineRunLimitReached: 'skip' },
    });
    const hourly = await trigger('skipping', 'hourly', '@hourly');
    engine.setNow(new Date('2026-03-01T10:00:01Z'));
    await fireTriggers(engine.context);
    await engine.admit();
    engine.setNow(new Date('2026-03-01T11:00:01Z'));
    await fireTriggers(engine.context);
    const byHand = await engine.start('skipping', { triggerId: hourly });
    engine.setNow(null);
    const { rows } = await engine.database.pool.query(
      `select id, status, reason_code, reason_message from pipeline_run where pipeline_uuid = 'skipping' order by id`,
    );
    expect(rows).toMatchObject([
      { status: 'running' },
      {
        status: 'cancelled',
        reason_code: 'SKIPPED_LIMIT',
        reason_message: expect.stringContaining('pipeline_run_limit allows 1'),
      },
      { id: byHand, status: 'initial' },
    ]);
    expect(await engine.statuses(rows[1].id)).toEqual(['cancelled']);
    await endOne();
    await engine.admit();
    expect(await statusesOf([byHand])).toEqual(['running']);
    await endOne();
    await expectInvariants(engine.database);
  });
});

test('a tick whose run was skipped says so; skips in a row are one tick with their count, and none of them is due again', async () => {
  await engine.pipeline('often_skipped', [[]], {
    concurrency: { pipelineRunLimit: 1, onPipelineRunLimitReached: 'skip' },
  });
  await engine.database.pool.query(`update trigger set status = 'inactive'`);
  const id = await trigger('often_skipped', 'hourly', '@hourly');
  const fireAt = async (hour: number) => {
    engine.setNow(new Date(Date.UTC(2026, 2, 1, hour, 0, 1)));
    const fired = await fireTriggers(engine.context);
    await engine.admit();
    return fired;
  };
  const ticks = async () => {
    const { rows } = await engine.database.pool.query(
      'select outcome, count, scheduled_for, last_scheduled_for, message from trigger_tick where trigger_id = $1 order by id',
      [id],
    );
    return rows.map((row) => [
      row.outcome,
      row.count,
      row.scheduled_for.getUTCHours(),
      row.last_scheduled_for.getUTCHours(),
      row.message,
    ]);
  };
  const why = expect.stringContaining('pipeline_run_limit allows 1');
  for (const hour of [10, 11, 12, 13]) expect(await fireAt(hour)).toBe(1);
  expect(await ticks()).toEqual([
    ['fired', 1, 10, 10, null],
    ['skipped_limit', 3, 11, 13, why],
  ]);
  // Also without its run, which somebody may delete.
  await engine.database.pool.query(
    `delete from pipeline_run where pipeline_uuid = 'often_skipped' and reason_code = 'SKIPPED_LIMIT'`,
  );
  for (const hour of [11, 12, 13]) expect(await fireAt(hour)).toBe(0);
  engine.setNow(null);
  await endOne();
  expect(await fireAt(14)).toBe(1);
  expect(await fireAt(15)).toBe(1);
  engine.setNow(null);
  expect((await ticks()).map(([outcome, count, first, last]) => [outcome, count, first, last])).toEqual([
    ['fired', 1, 10, 10],
    ['skipped_limit', 3, 11, 13],
    ['fired', 1, 14, 14],
    ['skipped_limit', 1, 15, 15],
  ]);
  await engine.database.pool.query(`update trigger set status = 'inactive' where id = $1`, [id]);
  await endOne();
});

describe('three triggers of one pipeline', () => {
  test('two may run in all: of hourly, daily and weekly the two with the oldest dates start', async () => {
    await engine.pipeline('two_in_all', [[]], { concurrency: { pipelineRunLimitAllTriggers: 2 } });
    for (const interval of ['hourly', 'daily', 'weekly']) await trigger('two_in_all', interval, `@${interval}`);
    engine.setNow(new Date('2023-05-01T01:20:33Z'));
    await fireTriggers(engine.context);
    await engine.admit();
    engine.setNow(null);
    expect(await statusByTrigger('two_in_all')).toEqual({ hourly: 'initial', daily: 'running', weekly: 'running' });
  });

  test.each(['wait', 'skip'] as const)(
    'one each and two in all, one running: the first %ss, the second runs, the third %ss',
    async (what) => {
      const pipeline = `one_each_${what}`;
      await engine.pipeline(pipeline, [[]], {
        concurrency: { pipelineRunLimit: 1, pipelineRunLimitAllTriggers: 2, onPipelineRunLimitReached: what },
      });
      const first = await trigger(pipeline, 'first', '@hourly');
      const running = await engine.start(pipeline, { triggerId: first });
      for (const name of ['second', 'third']) await trigger(pipeline, name, '@hourly');
      engine.setNow(new Date('2026-03-01T10:00:01Z'));
      await fireTriggers(engine.context);
      await engine.admit();
      engine.setNow(null);
      const over = what === 'wait' ? 'initial' : 'cancelled';
      expect(await statusByTrigger(pipeline)).toEqual({ first: over, second: 'running', third: over });
      expect(await statusesOf([running])).toEqual(['running']);
    },
  );

  /** Of the newest run of each trigger. */
  async function statusByTrigger(pipelineUuid: string): Promise<Record<string, string>> {
    const { rows } = await engine.database.pool.query<{ trigger_name: string; status: string }>(
      'select trigger_name, status from pipeline_run where pipeline_uuid = $1 order by id',
      [pipelineUuid],
    );
    return Object.fromEntries(rows.map((row) => [row.trigger_name, row.status]));
  }
});
