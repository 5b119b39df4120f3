import { afterAll, beforeAll, expect, test } from 'vitest';
import { endSessions, sessionOf } from '../../src/store/sessions.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/waiting.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

test('what a broken session was still at work on is over when its worker looks for what it lost', async () => {
  const { pool, connect } = { pool: engine.database.pool, connect: engine.database.connect };
  const broken = await connect('broken');
  const session = await sessionOf(broken);
  await pool.query('create table seen (n int)');
  const late = broken.query('with slept as (select pg_sleep(60)) insert into seen select 1 from slept');
  late.catch(() => {});
  await until(
    'the statement is under way',
    async () =>
      (await pool.query(`select 1 from pg_stat_activity where pid = $1 and state = 'active'`, [session.pid])).rowCount,
  );

  const fresh = await connect('fresh');
  await endSessions(fresh, [session]);
  expect((await pool.query('select 1 from pg_stat_activity where pid = $1', [session.pid])).rowCount).toBe(0);
  expect((await pool.query('select * from seen')).rowCount).toBe(0);
  await expect(late).rejects.toThrow();
  await fresh.end();
});

test('a session of another time that has the same process id is left alone', async () => {
  const { connect } = engine.database;
  const [one, other] = [await connect('one'), await connect('other')];
  const session = await sessionOf(other);
  await endSessions(one, [{ ...session, startedAt: '2020-01-01 00:00:00+00' }]);
  expect((await other.query('select 1 as here')).rows).toEqual([{ here: 1 }]);
  await Promise.all([one.end(), other.end()]);
});
