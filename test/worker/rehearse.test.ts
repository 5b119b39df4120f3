import { afterEach, beforeEach, expect, test } from 'vitest';
import { rehearse } from '../../src/worker/rehearse.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeEach(async () => {
  engine = await createTestEngine();
});
afterEach(() => engine.close());

const rows = `select (select count(*)::int from pipeline_run) as runs, (select count(*)::int from block_run) as blocks,
  (select count(*)::int from ready) as ready, (select count(*)::int from run_event) as events`;

test('a rehearsal walks the whole road of a run and leaves nothing behind', async () => {
  await engine.pipeline('p', [[]]);
  const client = await engine.database.connect('rehearsal');
  const walked: string[] = [];
  const query = client.query.bind(client);
  Object.assign(client, {
    query: async (...args: unknown[]) => {
      const result = await (query as (...args: unknown[]) => Promise<{ rows: readonly { step?: object }[] }>)(...args);
      for (const row of result.rows) if (row.step) walked.push(...Object.keys(row.step));
      return result;
    },
  });
  await rehearse(client, new Date());
  expect(walked).toContain('ended');
  expect((await client.query(rows)).rows).toEqual([{ runs: 0, blocks: 0, ready: 0, events: 0 }]);
  await client.end();
});

test('a rehearsal without any pipeline is over at once, and the connection stays usable', async () => {
  const client = await engine.database.connect('rehearsal');
  await rehearse(client, new Date());
  expect((await client.query(rows)).rows).toEqual([{ runs: 0, blocks: 0, ready: 0, events: 0 }]);
  await client.end();
});
