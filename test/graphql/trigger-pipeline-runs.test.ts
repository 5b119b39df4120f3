import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('sales', ['load', 'clean'])]);
});
afterAll(() => api?.close());

const trigger = /* GraphQL */ `
  mutation ($runs: [TriggerPipelineRunInput!]!) {
    triggerPipelineRuns(input: { runs: $runs }) {
      results {
        __typename
        ... on TriggerPipelineRunSuccess { wasReplayed pipelineRun { id status } }
        ... on UserError { code path }
        ... on ConflictError { existingId }
      }
    }
  }
`;

type Result = { __typename: string; pipelineRun: { id: string } };

const start = async (runs: readonly object[], role: 'VIEWER' | 'OPERATOR' = 'OPERATOR') =>
  (await api.data<{ triggerPipelineRuns: { results: Result[] } }>(trigger, { runs }, role)).triggerPipelineRuns.results;

test('many runs start in one commit, each with its own answer, in order', async () => {
  const results = await start([
    { pipelineUuid: 'sales' },
    { pipelineUuid: 'nowhere' },
    { pipelineUuid: 'sales', triggerId: 'nonsense' },
    { pipelineUuid: 'sales', idempotencyKey: 'k' },
    { pipelineUuid: 'sales', idempotencyKey: 'k' },
    { pipelineUuid: 'sales', idempotencyKey: 'k', variables: { other: 1 } },
  ]);
  expect(results).toMatchObject([
    { __typename: 'TriggerPipelineRunSuccess', wasReplayed: false, pipelineRun: { status: 'INITIAL' } },
    { __typename: 'NotFoundError', path: ['input', 'runs', '1', 'pipelineUuid'] },
    { __typename: 'NotFoundError', path: ['input', 'runs', '2', 'triggerId'] },
    { __typename: 'TriggerPipelineRunSuccess', wasReplayed: false },
    { __typename: 'TriggerPipelineRunSuccess', wasReplayed: true, pipelineRun: { id: results[3]!.pipelineRun.id } },
    { __typename: 'ConflictError', existingId: results[3]!.pipelineRun.id },
  ]);
  const { rows } = await api.database.pool.query<{ commits: bigint }>(
    `select count(distinct xid::text) as commits from run_event where kind = 'run_created'`,
  );
  expect(rows[0]!.commits).toBe(1n);
});

test('more than a hundred are refused, every one, and none is started', async () => {
  const before = await count();
  const results = await start(Array.from({ length: 101 }, () => ({ pipelineUuid: 'sales' })));
  expect(results).toHaveLength(101);
  expect(new Set(results.map((result) => result.__typename))).toEqual(new Set(['InvalidInputError']));
  expect(await start([])).toEqual([]);
  expect(await count()).toBe(before);
});

test('a viewer is refused for each run that was asked for', async () => {
  const before = await count();
  const results = await start([{ pipelineUuid: 'sales' }, { pipelineUuid: 'sales' }], 'VIEWER');
  expect(results.map((result) => result.__typename)).toEqual(['ForbiddenError', 'ForbiddenError']);
  expect(await count()).toBe(before);
});

async function count(): Promise<bigint> {
  return (await api.database.pool.query<{ n: bigint }>('select count(*) as n from pipeline_run')).rows[0]!.n;
}
