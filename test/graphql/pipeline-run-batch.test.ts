import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('sales', ['load', 'clean'])]);
});
afterAll(() => api?.close());

async function startRun(): Promise<string> {
  const source =
    'mutation { triggerPipelineRun(input: {pipelineUuid: "sales"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }';
  return (await api.data<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(source)).triggerPipelineRun
    .pipelineRun.id;
}

type Payload = { error: { code: string } | null; results: unknown[] };

const cancel = /* GraphQL */ `
  mutation ($input: CancelPipelineRunsInput!) {
    payload: cancelPipelineRuns(input: $input) {
      error { __typename code message path }
      results { pipelineRunId pipelineRun { id status statusReason { code actor message } } error { __typename code message ... on InvalidStateError { currentStatus } } }
    }
  }
`;
const retry = cancel
  .replace('CancelPipelineRunsInput', 'RetryPipelineRunsInput')
  .replace('cancelPipelineRuns', 'retryPipelineRuns');

const ask = async (source: string, input: object, role: 'VIEWER' | 'OPERATOR' = 'OPERATOR') =>
  (await api.data<{ payload: Payload }>(source, { input }, role)).payload;

test('each chosen run answers for itself, in the order of the ids', async () => {
  const [first, second] = [await startRun(), await startRun()];
  await ask(cancel, { selection: { ids: [second] } });
  const ids = ['run_999999', first, 'nonsense', second];
  const { error, results } = await ask(cancel, { selection: { ids }, reason: 'wrong data' });
  expect(error).toBeNull();
  expect(results).toMatchObject([
    { pipelineRunId: 'run_999999', pipelineRun: null, error: { __typename: 'NotFoundError' } },
    {
      pipelineRunId: first,
      pipelineRun: {
        id: first,
        status: 'CANCELLED',
        statusReason: { code: 'CANCELLED_BY_USER', actor: 'ada', message: expect.stringContaining('wrong data') },
      },
      error: null,
    },
    { pipelineRunId: 'nonsense', pipelineRun: null, error: { __typename: 'InvalidInputError' } },
    {
      pipelineRunId: second,
      pipelineRun: { status: 'CANCELLED' },
      error: { __typename: 'InvalidStateError', currentStatus: 'CANCELLED' },
    },
  ]);
});

test('a retry of incomplete blocks moves the same run; a retry of everything is a new run', async () => {
  const id = await startRun();
  await ask(cancel, { selection: { ids: [id] } });
  expect((await ask(retry, { selection: { ids: [id] } })).results).toMatchObject([
    { pipelineRunId: id, pipelineRun: { id, status: 'INITIAL' }, error: null },
  ]);
  await ask(cancel, { selection: { ids: [id] } });
  const { results } = await ask(retry, { selection: { ids: [id] }, mode: 'ALL' });
  expect(results).toMatchObject([
    { pipelineRunId: id, pipelineRun: { id: expect.not.stringMatching(`^${id}$`) }, error: null },
  ]);
  const { pipelineRun } = await api.data<{
    pipelineRun: { attempts: object[]; retries: { retryOf: object; rootRun: object }[] };
  }>(
    'query ($id: ID!) { pipelineRun(id: $id) { attempts { number mode status statusReason { code } } retries { retryOf { id } rootRun { id } } } }',
    { id },
  );
  expect(pipelineRun.attempts).toMatchObject([
    { number: 1, mode: null, status: 'CANCELLED', statusReason: { code: 'CANCELLED_BY_USER' } },
    { number: 2, mode: 'INCOMPLETE', status: 'CANCELLED' },
  ]);
  expect(pipelineRun.retries).toEqual([{ retryOf: { id }, rootRun: { id } }]);
});

test('a run whose attempt is not the expected one is left alone', async () => {
  const id = await startRun();
  await ask(cancel, { selection: { ids: [id] } });
  const answers = await Promise.all([1, 1, 1].map(() => ask(retry, { selection: { ids: [id] }, expectedAttempt: 1 })));
  const errors = answers.map((answer) => (answer.results[0] as { error: object | null }).error);
  expect(errors.filter((error) => error === null)).toHaveLength(1);
});

test('a selection of nothing or of too much, a mode without its block and strange variables are refused as a whole', async () => {
  const ids = Array.from({ length: 1_001 }, (_, n) => `run_${n + 1}`);
  const inputs = [
    { selection: {} },
    { selection: { ids: [] } },
    { selection: { filter: {}, ids: ['run_1'] } },
    { selection: { filter: { id: { in: ['nonsense'] } } } },
    { selection: { ids: ['run_1'] }, mode: 'FROM_BLOCK' },
    { selection: { ids: ['run_1'] }, fromBlock: 'load' },
    { selection: { ids: ['run_1'] }, variables: JSON.parse('{"__proto__": 1}') },
  ];
  for (const input of inputs) {
    expect(await ask(retry, input)).toMatchObject({
      error: { __typename: 'InvalidInputError', path: expect.any(Array) },
      results: [],
    });
  }
  expect(await ask(retry, { selection: { ids } })).toMatchObject({ error: { __typename: 'LimitExceededError' } });
});

test('a viewer is told, as data, that retrying and cancelling are not for them, and nothing happens', async () => {
  const id = await startRun();
  for (const source of [cancel, retry]) {
    expect(await ask(source, { selection: { ids: [id] } }, 'VIEWER')).toMatchObject({
      error: { __typename: 'ForbiddenError' },
      results: [],
    });
  }
  expect(await api.data('query ($id: ID!) { pipelineRun(id: $id) { status } }', { id })).toEqual({
    pipelineRun: { status: 'INITIAL' },
  });
});
