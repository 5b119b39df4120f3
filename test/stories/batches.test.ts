import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandOf, descendants, isAlive } from '../support/processes.ts';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Somebody has started far too much, and changes their mind about hundreds of runs at once. Each block has a child that would
// outlive a polite end of its parent.
const project = writeProject({
  'pipelines/crowd/metadata.yaml':
    'blocks:\n- {uuid: hold, type: custom, language: typescript}\n- {uuid: after, type: custom, language: typescript, upstream_blocks: [hold]}\n',
  'custom/hold.ts': `
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
export default async function hold({ signal }) {
  spawn('sh', ['-c', 'trap "" TERM; while :; do sleep 629; done'], { stdio: 'ignore' });
  await pause(600_000, undefined, { signal });
}
`,
  'custom/after.ts': 'export default () => 1;\n',
});

let server: ServerProcess;
const start = () => startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), ['--slots', '4']);

beforeAll(async () => {
  server = await start();
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

async function startRuns(count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const runs = Array.from({ length: Math.min(100, count - ids.length) }, () => ({ pipelineUuid: 'crowd' }));
    const { triggerPipelineRuns } = await server.query<{
      triggerPipelineRuns: { results: { pipelineRun: { id: string } }[] };
    }>(
      `mutation ($runs: [TriggerPipelineRunInput!]!) { triggerPipelineRuns(input: { runs: $runs }) {
         results { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } } }`,
      { runs },
    );
    ids.push(...triggerPipelineRuns.results.map(({ pipelineRun }) => pipelineRun.id));
  }
  return ids;
}

type Batch = { id: string; status: string; total: number; done: number; succeeded: number };

const cancelAll = async () =>
  (
    await server.query<{ payload: { batch: Batch } }>(
      'mutation { payload: cancelAllRunningPipelineRuns(input: { pipelineUuid: "crowd", reason: "too many" }) { batch { id status total done } } }',
    )
  ).payload.batch;

const batchOf = async (id: string) =>
  (
    await server.query<{ batchOperation: Batch }>(
      'query ($id: ID!) { batchOperation(id: $id) { id status total done succeeded } }',
      { id },
    )
  ).batchOperation;

const count = async (status: string) =>
  (
    await server.query<{ pipelineRuns: { totalCount: number } }>(
      'query ($status: [PipelineRunStatus!]) { pipelineRuns(first: 1, filter: { status: { in: $status } }) { totalCount } }',
      { status: [status] },
    )
  ).pipelineRuns.totalCount;

const sleepers = () => descendants(server.pid).filter((pid) => commandOf(pid) === 'sleep 629');

test('acceptance 29: 500 running runs are cancelled within seconds, and nothing that their blocks started lives on', {
  timeout: 90_000,
}, async () => {
  await startRuns(500);
  await until(
    'all run, and four of them hold a slot',
    async () => sleepers().length === 4 && (await count('RUNNING')) === 500,
  );
  const children = sleepers();
  const asked = performance.now();
  const batch = await cancelAll();
  expect(batch).toMatchObject({ total: 500 });
  await until('the batch has ended', async () => (await batchOf(batch.id)).status === 'COMPLETED', 10_000);
  await until('every run has ended', async () => (await count('CANCELLED')) === 500, 10_000);
  expect(performance.now() - asked).toBeLessThan(10_000);
  expect(await batchOf(batch.id)).toMatchObject({ done: 500, succeeded: 500 });
  await until('their children are gone', () => children.every((pid) => !isAlive(pid)), 5000);
});

test('acceptance 34: a batch in which some are not eligible answers for each, in the order asked', {
  timeout: 60_000,
}, async () => {
  const [first, second] = await startRuns(2);
  const ids = [second, 'run_999999', first, 'nonsense', second];
  const { payload } = await server.query<{ payload: { batch: Batch; error: null; results: object[] } }>(
    `mutation ($ids: [ID!]) { payload: cancelPipelineRuns(input: { selection: { ids: $ids } }) {
       batch { status total succeeded } error { code }
       results { pipelineRunId pipelineRun { id cancelRequestedAt } error { __typename } } } }`,
    { ids },
  );
  expect(payload).toMatchObject({
    batch: { status: 'COMPLETED', total: 5 },
    error: null,
    results: [
      { pipelineRunId: second, pipelineRun: { id: second, cancelRequestedAt: expect.any(String) }, error: null },
      { pipelineRunId: 'run_999999', pipelineRun: null, error: { __typename: 'NotFoundError' } },
      { pipelineRunId: first, pipelineRun: { id: first, cancelRequestedAt: expect.any(String) }, error: null },
      { pipelineRunId: 'nonsense', pipelineRun: null, error: { __typename: 'InvalidInputError' } },
      // The second time it is either on its way to the end that was asked for, or there already.
      { pipelineRunId: second, pipelineRun: { id: second } },
    ],
  });
});

test('a server killed in the middle of a batch goes on with it when it is back, each run once', {
  timeout: 90_000,
}, async () => {
  await until('nothing runs any more', async () => (await count('RUNNING')) === 0);
  const before = await count('CANCELLED');
  await startRuns(400);
  const batch = await cancelAll();
  server.kill('SIGKILL');
  await server.gone;
  expect(batch).toMatchObject({ status: 'RUNNING', total: 400 });
  server = await start();
  const ended = await until('the batch has ended', async () => {
    const now = await batchOf(batch.id);
    return now.status === 'COMPLETED' && now;
  });
  expect(ended).toMatchObject({ total: 400, done: 400, succeeded: 400 });
  await until('every run has ended', async () => (await count('CANCELLED')) === before + 400);
});
