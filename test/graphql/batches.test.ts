import { afterAll, beforeAll, expect, test } from 'vitest';
import { runBatches } from '../../src/engine/run-batches.ts';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(
    api.database,
    ['sales', 'stock', 'crowd', 'followed', 'aborted', 'planned', 'deleted', 'failing'].map((uuid) =>
      chain(uuid, ['load', 'clean']),
    ),
  );
});
afterAll(() => api?.close());

type Item = {
  pipelineRunId: string;
  pipelineRun: { id: string; status: string } | null;
  error: { code: string } | null;
};
type Batch = { id: string; status: string; total: number; done: number; succeeded: number; refused: number };
type Payload = { batch: Batch | null; error: { __typename: string; code: string } | null; results: Item[] };

const payload = /* GraphQL */ `{
  batch { id action status actor reason total done succeeded refused createdAt completedAt expiresAt }
  error { __typename code message path ... on ConflictError { existingId } ... on LimitExceededError { limit } }
  results { pipelineRunId pipelineRun { id status } error { __typename code ... on InvalidStateError { currentStatus } } }
}`;
const mutation = (name: string) =>
  `mutation ($input: ${name[0]!.toUpperCase()}${name.slice(1)}Input!) { payload: ${name}(input: $input) ${payload} }`;

const act = async (name: string, input: object, role: 'OPERATOR' | 'ADMIN' = 'OPERATOR') =>
  (await api.data<{ payload: Payload }>(mutation(name), { input }, role)).payload;

async function startRuns(pipelineUuid: string, count: number): Promise<string[]> {
  const source = /* GraphQL */ `mutation ($runs: [TriggerPipelineRunInput!]!) {
    triggerPipelineRuns(input: { runs: $runs }) { results { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }
  }`;
  const ids: string[] = [];
  while (ids.length < count) {
    const runs = Array.from({ length: Math.min(100, count - ids.length) }, () => ({ pipelineUuid }));
    const answer = await api.data<{ triggerPipelineRuns: { results: { pipelineRun: { id: string } }[] } }>(source, {
      runs,
    });
    ids.push(...answer.triggerPipelineRuns.results.map(({ pipelineRun }) => pipelineRun.id));
  }
  return ids;
}

/** What a scheduler does. */
async function goOn(): Promise<void> {
  const context = {
    database: api.database,
    wake: () => {},
    now: () => new Date(),
    isOutputStored: async () => true,
    env: 'test',
  };
  while ((await runBatches(context)) > 0);
}

const read = async (id: string) =>
  (
    await api.data<{ batchOperation: Batch }>(
      'query ($id: ID!) { batchOperation(id: $id) { id status total done succeeded refused } }',
      { id },
    )
  ).batchOperation;

test('a batch answers for each id in order, and can be read afterwards', async () => {
  const [first, second] = await startRuns('sales', 2);
  await act('cancelPipelineRuns', { selection: { ids: [second] } });
  const ids = [second!, 'non\0sense', first!, 'run_999999'];
  const { batch, error, results } = await act('cancelPipelineRuns', { selection: { ids }, reason: 'wrong data' });
  expect(error).toBeNull();
  expect(batch).toMatchObject({
    action: 'CANCEL',
    status: 'COMPLETED',
    actor: 'ada',
    reason: 'wrong data',
    total: 4,
    done: 4,
    succeeded: 1,
    refused: 3,
    completedAt: expect.any(String),
    expiresAt: null,
  });
  expect(results).toMatchObject([
    {
      pipelineRunId: second,
      pipelineRun: { id: second },
      error: { __typename: 'InvalidStateError', currentStatus: 'CANCELLED' },
    },
    { pipelineRunId: 'non\uFFFDsense', pipelineRun: null, error: { __typename: 'InvalidInputError' } },
    { pipelineRunId: first, pipelineRun: { id: first, status: 'CANCELLED' }, error: null },
    { pipelineRunId: 'run_999999', pipelineRun: null, error: { __typename: 'NotFoundError' } },
  ]);
  const { node, batchOperations } = await api.data<{ node: object; batchOperations: { nodes: Batch[] } }>(
    'query ($id: ID!) { node(id: $id) { __typename id } batchOperations(first: 1, status: [COMPLETED]) { nodes { id } } }',
    { id: batch!.id },
  );
  expect(node).toEqual({ __typename: 'BatchOperation', id: batch!.id });
  expect(batchOperations.nodes).toEqual([{ id: batch!.id }]);
  expect(await read('bop_999')).toBeNull();
});

test('a filter selects, the first hundred are answered at once, and the results can be paged, all or only the refused', async () => {
  const ids = await startRuns('crowd', 150);
  await act('cancelPipelineRuns', { selection: { ids: [ids[3], ids[120]] } });
  const { batch, results } = await act('cancelPipelineRuns', {
    selection: { filter: { pipelineUuid: { eq: 'crowd' } } },
  });
  expect(batch).toMatchObject({ status: 'RUNNING', total: 150, done: 100 });
  expect(results.map((item) => item.pipelineRunId)).toEqual(ids.slice(0, 100));
  await goOn();
  expect(await read(batch!.id)).toMatchObject({ status: 'COMPLETED', done: 150, succeeded: 148, refused: 2 });

  const source = `query ($id: ID!, $after: String, $onlyRefused: Boolean) { batchOperation(id: $id) {
    results(first: 70, after: $after, onlyRefused: $onlyRefused) { nodes { pipelineRunId } pageInfo { hasNextPage endCursor } } } }`;
  const read1 = async (variables: object) =>
    (
      await api.data<{
        batchOperation: { results: { nodes: Item[]; pageInfo: { hasNextPage: boolean; endCursor: string } } };
      }>(source, { id: batch!.id, ...variables })
    ).batchOperation.results;
  const seen: string[] = [];
  let after: string | null = null;
  for (let more = true; more; ) {
    const page = await read1({ after });
    seen.push(...page.nodes.map((item) => item.pipelineRunId));
    ({ hasNextPage: more, endCursor: after } = page.pageInfo as { hasNextPage: boolean; endCursor: string });
  }
  expect(seen).toEqual(ids);
  expect((await read1({ onlyRefused: true })).nodes.map((item) => item.pipelineRunId)).toEqual([ids[3], ids[120]]);
  expect(
    (await api.ask(source, { variables: { id: batch!.id, after: 'nonsense' } })).errors?.[0]?.extensions.code,
  ).toBe('INVALID_CURSOR');
});

test('every way in which the whole can be refused is data, with no batch', async () => {
  const [id] = await startRuns('stock', 1);
  const many = Array.from({ length: 1001 }, (_, n) => `run_${n + 1}`);
  await act('cancelPipelineRuns', { selection: { ids: [id] }, idempotencyKey: 'mine' });
  const refused: [string, object, string, string?][] = [
    ['cancelPipelineRuns', { selection: {} }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { ids: [] } }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { ids: [id], filter: {} } }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { ids: many } }, 'LimitExceededError'],
    ['cancelPipelineRuns', { selection: { filter: { id: { eq: 'nonsense' } } } }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { planId: 'bop_999' } }, 'PlanExpiredError'],
    ['cancelPipelineRuns', { selection: { planId: 'nonsense' } }, 'PlanExpiredError'],
    ['cancelPipelineRuns', { selection: { ids: [id] }, idempotencyKey: '' }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { ids: [id] }, reason: 'a\0b' }, 'InvalidInputError'],
    ['cancelPipelineRuns', { selection: { ids: ['run_1'] }, idempotencyKey: 'mine' }, 'ConflictError'],
    ['retryPipelineRuns', { selection: { ids: [id] }, mode: 'FROM_BLOCK' }, 'InvalidInputError'],
    ['retryPipelineRuns', { selection: { planId: 'bop_1' }, mode: 'ALL' }, 'InvalidInputError'],
    ['retryIncompleteBlockRuns', { pipelineUuid: 'nobody' }, 'NotFoundError'],
    ['cancelAllRunningPipelineRuns', { pipelineUuid: 'no\0body' }, 'NotFoundError'],
    ['previewPipelineRunBatch', { action: 'CANCEL', selection: { planId: 'bop_1' } }, 'InvalidInputError'],
    ['previewPipelineRunBatch', { action: 'CANCEL', selection: { ids: [id] }, mode: 'ALL' }, 'InvalidInputError'],
    ['previewPipelineRunBatch', { action: 'DELETE', selection: { ids: [id] } }, 'ForbiddenError'],
    ['deletePipelineRuns', { selection: { ids: [id] } }, 'ForbiddenError'],
  ];
  for (const [name, input, typename] of refused) {
    expect(await act(name, input), JSON.stringify(input)).toMatchObject({
      batch: null,
      error: { __typename: typename },
      results: [],
    });
  }
});

test('the same key gives the same batch again', async () => {
  const [id] = await startRuns('stock', 1);
  const input = { selection: { ids: [id] }, idempotencyKey: 'again' };
  const first = await act('cancelPipelineRuns', input);
  expect(await act('cancelPipelineRuns', input)).toEqual(first);
});

test('every initial and running run of a pipeline is cancelled, and of a pipeline without any, none', async () => {
  await startRuns('stock', 3);
  const { batch } = await act('cancelAllRunningPipelineRuns', { pipelineUuid: 'stock', reason: 'enough' });
  expect(batch).toMatchObject({ status: 'COMPLETED', total: 3, succeeded: 3 });
  const again = await act('cancelAllRunningPipelineRuns', { pipelineUuid: 'stock' });
  expect(again).toMatchObject({ batch: { status: 'COMPLETED', total: 0 }, error: null, results: [] });
});

test('the incomplete block runs of every failed run that is the newest of its retries are retried', async () => {
  const ids = await startRuns('failing', 3);
  await act('cancelPipelineRuns', { selection: { ids } });
  await api.database.pool.query(
    `update pipeline_run set status = 'failed' where pipeline_uuid = 'failing' and id <> $1`,
    [ids[1]!.slice(4)],
  );
  const { batch, results } = await act('retryIncompleteBlockRuns', { pipelineUuid: 'failing', reason: 'mended' });
  expect(batch).toMatchObject({ action: 'RETRY', total: 2, succeeded: 2, reason: 'mended' });
  expect(results.map((item) => [item.pipelineRunId, item.pipelineRun?.status])).toEqual([
    [ids[0], 'INITIAL'],
    [ids[2], 'INITIAL'],
  ]);
});

test('a preview is a frozen plan that is carried out by its id, and says before what it will do', async () => {
  const [first, second] = await startRuns('planned', 2);
  await act('cancelPipelineRuns', { selection: { ids: [first] } });
  const plan = await act('previewPipelineRunBatch', {
    action: 'CANCEL',
    selection: { filter: { pipelineUuid: { eq: 'planned' } } },
  });
  expect(plan).toMatchObject({
    batch: { status: 'PREVIEWED', total: 2, done: 0, succeeded: 1, refused: 1, expiresAt: expect.any(String) },
    results: [
      { pipelineRunId: first, error: { code: 'INVALID_STATE' } },
      { pipelineRunId: second, error: null, pipelineRun: { status: 'INITIAL' } },
    ],
  });
  const [late] = await startRuns('planned', 1);
  const done = await act('cancelPipelineRuns', { selection: { planId: plan.batch!.id }, reason: 'as planned' });
  expect(done).toMatchObject({
    batch: {
      id: plan.batch!.id,
      status: 'COMPLETED',
      done: 2,
      succeeded: 1,
      refused: 1,
      reason: 'as planned',
      expiresAt: null,
    },
    results: [{ pipelineRunId: first }, { pipelineRunId: second, pipelineRun: { status: 'CANCELLED' } }],
  });
  const { pipelineRun } = await api.data<{ pipelineRun: object }>(
    'query ($id: ID!) { pipelineRun(id: $id) { status } }',
    { id: late },
  );
  expect(pipelineRun).toEqual({ status: 'INITIAL' });
});

test('a batch is aborted between two pieces; one that has ended, or is not there, is not', async () => {
  await startRuns('aborted', 130);
  const { batch } = await act('cancelPipelineRuns', { selection: { filter: { pipelineUuid: { eq: 'aborted' } } } });
  const abort = async (id: string) =>
    (
      await api.data<{ abortBatchOperation: object }>(
        `mutation ($id: ID!) { abortBatchOperation(input: { id: $id }) {
         __typename ... on BatchOperationSuccess { batch { id status done } } ... on InvalidStateError { currentStatus } } }`,
        { id },
        'OPERATOR',
      )
    ).abortBatchOperation;
  expect(await abort(batch!.id)).toEqual({
    __typename: 'BatchOperationSuccess',
    batch: { id: batch!.id, status: 'ABORTED', done: 100 },
  });
  await goOn();
  expect(await read(batch!.id)).toMatchObject({ status: 'ABORTED', done: 100 });
  expect(await abort('bop_999')).toEqual({ __typename: 'NotFoundError' });
  const ended = await act('cancelPipelineRuns', { selection: { filter: { pipelineUuid: { in: [] } } } });
  expect(await abort(ended.batch!.id)).toEqual({ __typename: 'InvalidStateError', currentStatus: 'COMPLETED' });
});

test('runs that have ended are deleted by an ADMIN; the rest stay', async () => {
  const [first, second] = await startRuns('deleted', 2);
  await act('cancelPipelineRuns', { selection: { ids: [first] } });
  const { batch, results } = await act('deletePipelineRuns', { selection: { ids: [first, second] } }, 'ADMIN');
  expect(batch).toMatchObject({ action: 'DELETE', succeeded: 1, refused: 1 });
  expect(results).toMatchObject([
    { pipelineRunId: first, pipelineRun: null, error: null },
    {
      pipelineRunId: second,
      pipelineRun: { id: second },
      error: { __typename: 'InvalidStateError', currentStatus: 'INITIAL' },
    },
  ]);
});

const progress = 'subscription ($id: ID!) { batchOperationProgress(id: $id) { id status done } }';

test('progress is told from where it is to the last state, and then the stream completes', async () => {
  await startRuns('followed', 130);
  const { batch } = await act('cancelPipelineRuns', { selection: { filter: { pipelineUuid: { eq: 'followed' } } } });
  const stream = await api.subscribe(progress, { variables: { id: batch!.id } });
  const heard: object[] = [];
  for await (const event of stream as AsyncIterable<{ data: { batchOperationProgress: object } }>) {
    heard.push(event.data?.batchOperationProgress ?? event);
    if (heard.length === 1) await goOn();
  }
  expect(heard).toMatchObject([{ done: 100 }, { done: 130 }]);
});

test('progress of a batch that is not there is an error at subscribe, and who leaves is let go at once', async () => {
  expect(await api.subscribe(progress, { variables: { id: 'bop_999' } })).toHaveProperty('errors');
  const plan = await act('previewPipelineRunBatch', { action: 'CANCEL', selection: { filter: {} } });
  const stream = (await api.subscribe(progress, {
    variables: { id: plan.batch!.id },
  })) as AsyncIterableIterator<object>;
  await stream.next();
  const waiting = stream.next();
  await stream.return?.();
  expect(await waiting).toMatchObject({ done: true });
});
