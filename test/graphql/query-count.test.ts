import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { seedRuns } from './many-runs.ts';
import { chain, saveProject } from './project.ts';

/** What a page costs must not grow with its rows: every level of a query is one or two statements. */

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('sales', ['block_1', 'block_2', 'block_3', 'block_4', 'block_5'])]);
  await seedRuns(api.database, 50, {}, 5);
});
afterAll(() => api?.close());

async function statementsOf(source: string): Promise<{ count: number; data: unknown }> {
  const spy = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const data = await api.data(source);
    return { count: spy.mock.calls.length, data };
  } finally {
    spy.mockRestore();
  }
}

test('fifty runs with five block runs each, and all that hangs on them, take a handful of statements', async () => {
  const source = /* GraphQL */ `
    {
      pipelineRuns(first: 50) {
        totalCount
        nodes {
          id
          pipeline { name lastRun { id } }
          definition { blocks { uuid } }
          attempts { number status }
          retryOf { id }
          retries { id }
          rootRun { id }
          blockRuns(first: 5) {
            totalCount
            nodes { id name status blockType pipelineRun { id } attempts { number } tests { name } upstream { id } }
          }
        }
      }
    }
  `;
  const { count, data } = await statementsOf(source);
  const { nodes } = (data as { pipelineRuns: { nodes: { blockRuns: { nodes: object[] } }[] } }).pipelineRuns;
  expect(nodes.flatMap((run) => run.blockRuns.nodes)).toHaveLength(250);
  expect(count).toBeLessThanOrEqual(14);
});

test('fifty runs with their block runs take at most eight', async () => {
  const { count } = await statementsOf(
    '{ pipelineRuns(first: 50) { nodes { id status pipeline { name } blockRuns(first: 5) { nodes { id name status } } } } }',
  );
  expect(count).toBeLessThanOrEqual(8);
});
