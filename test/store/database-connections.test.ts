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
