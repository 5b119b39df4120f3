import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPresence } from '../../src/scheduler/presence.ts';
import { isSchedulerAlive } from '../../src/store/scheduler-presence.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/waiting.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

test('a scheduler whose connection was cut is seen again', async () => {
  const { database } = engine;
  const { pool } = database;
  const presence = await startPresence(database, () => {});
  expect(await isSchedulerAlive(pool)).toBe(true);

  const cut = await pool.query<{ pid: number }>(
    `select pid, pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'penstock-scheduler'`,
  );
  expect(cut.rowCount).toBe(1);
  await until('it is there again, by another connection', async () => {
    const { rows } = await pool.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'penstock-scheduler'`,
    );
    return rows.some(({ pid }) => pid !== cut.rows[0]?.pid) && (await isSchedulerAlive(pool));
  });

  await presence.stop();
  await until('nobody is there', async () => !(await isSchedulerAlive(pool)));
});
