import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { until } from '../support/waiting.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

test('a connection that is cut between two statements of a transaction fails the transaction, and nothing else', async () => {
  const { database } = engine;
  const strays: unknown[] = [];
  const stray = (error: unknown) => strays.push(error);
  process.on('uncaughtException', stray);
  try {
    const cut = database.transaction(async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      const gone = new Promise((resolve) => client.once('end', resolve));
      await database.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      await gone;
      await client.query('select 1');
    });
    await expect(cut).rejects.toThrow();
    await until('the pool works', async () => (await database.pool.query('select 1')).rowCount);
    expect(await database.transaction(async (client) => (await client.query('select 1')).rowCount)).toBe(1);
    expect(strays).toEqual([]);
  } finally {
    process.off('uncaughtException', stray);
  }
});

test('a process that is stopped in the middle of a transaction holds the others up for two seconds, and then does it again', async () => {
  const { database } = engine;
  await engine.pipeline('sales', [[]]);
  const run = await engine.start('sales');
  const lock = (client: pg.ClientBase) =>
    client.query('select id from pipeline_run where id = $1 for no key update', [run]);
  const locked = Promise.withResolvers<void>();
  let tries = 0;
  const stopped = database.transaction(async (client) => {
    const { rowCount } = await lock(client);
    locked.resolve();
    // What a stopped process does not do: say anything more.
    if (++tries === 1) await new Promise((resolve) => client.once('end', resolve));
    await client.query('select 1');
    return rowCount;
  });
  await locked.promise;
  expect((await database.transaction(lock)).rowCount).toBe(1);
  expect(await stopped).toBe(1);
  expect(tries).toBe(2);
});
