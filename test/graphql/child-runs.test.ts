import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;
let parent: string;
let children: readonly string[];

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('parent', ['asks']), chain('child', ['works'])]);
  parent = await start('parent');
  children = [await start('child'), await start('child'), await start('child')];
  // As engine/trigger-child-run.ts leaves them; test/engine/child-runs.test.ts makes them in earnest.
  await api.database.pool.query(
    `update pipeline_run c set cause = 'parent', depth = 1, parent_run_id = b.pipeline_run_id, parent_block_run_id = b.id
       from block_run b where b.pipeline_run_id = $1 and c.id = any($2)`,
    [numberOf(parent), children.map(numberOf)],
  );
});
afterAll(() => api?.close());

async function start(pipelineUuid: string): Promise<string> {
  const { triggerPipelineRun } = await api.data<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    'mutation ($uuid: String!) { triggerPipelineRun(input: { pipelineUuid: $uuid }) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }',
    { uuid: pipelineUuid },
  );
  return triggerPipelineRun.pipelineRun.id;
}

function numberOf(id: string): number {
  return Number(id.split('_')[1]);
}

test('a run names the runs that its blocks have started, newest first and page by page', async () => {
  const page = async (after: string | null) => {
    const { pipelineRun } = await api.data<{
      pipelineRun: { childRuns: { nodes: { id: string }[]; pageInfo: { endCursor: string }; totalCount: number } };
    }>(
      'query ($id: ID!, $after: String) { pipelineRun(id: $id) { childRuns(first: 2, after: $after) { totalCount nodes { id } pageInfo { endCursor } } } }',
      { id: parent, after },
    );
    return pipelineRun.childRuns;
  };
  const first = await page(null);
  const second = await page(first.pageInfo.endCursor);
  expect([...first.nodes, ...second.nodes].map((node) => node.id)).toEqual(children.toReversed());
  expect(first.totalCount).toBe(3);
});

test('a run names the block run that started it, and those that nobody started name none', async () => {
  const source =
    'query ($id: ID!) { pipelineRun(id: $id) { cause parentBlockRun { blockUuid pipelineRun { id } } childRuns { totalCount } } }';
  expect(await api.data(source, { id: children[0] })).toEqual({
    pipelineRun: {
      cause: 'PARENT',
      parentBlockRun: { blockUuid: 'asks', pipelineRun: { id: parent } },
      childRuns: { totalCount: 0 },
    },
  });
  expect(await api.data(source, { id: parent })).toMatchObject({ pipelineRun: { parentBlockRun: null } });
});

test('a list can be of the runs that one run started, or of all others', async () => {
  const ids = async (filter: object) => {
    const { pipelineRuns } = await api.data<{ pipelineRuns: { nodes: { id: string }[] } }>(
      'query ($filter: PipelineRunFilter) { pipelineRuns(filter: $filter) { nodes { id } } }',
      { filter },
    );
    return pipelineRuns.nodes.map((node) => node.id).toSorted();
  };
  expect(await ids({ parentRunId: { eq: parent } })).toEqual([...children].toSorted());
  expect(await ids({ parentRunId: { notIn: [parent] } })).toEqual([parent]);
  expect(await ids({ cause: ['PARENT'] })).toEqual([...children].toSorted());
});
