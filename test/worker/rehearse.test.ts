import { afterAll, beforeAll, expect, test } from 'vitest';
import { rehearse } from '../../src/worker/rehearse.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

test('a worker rehearses a run of three blocks to its end, and leaves nothing behind', async () => {
  await engine.pipeline('any', [[]]);
  const client = await engine.database.connect('rehearsal');
  const statements: string[] = [];
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  client.query = ((config: string | { name?: string }, ...rest: unknown[]) => {
    statements.push(typeof config === 'string' ? config : (config.name ?? ''));
    return query(config, ...rest);
  }) as typeof client.query;
  await rehearse(client, engine.context.now());
  // The claim of the first block, then each one's completion: the first the short way.
  expect(statements).toEqual(['begin', 'rehearse-run', 'step', 'complete_and_follow', 'step', 'step', 'rollback']);
  expect((await engine.database.pool.query('select 1 from pipeline_run')).rows).toEqual([]);
  await client.end();
});
