import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [
    chain('sales', ['load', 'clean'], { variables: { region: 'EU', db_password: 'x' } }),
  ]);
});
afterAll(() => api?.close());

const trigger = /* GraphQL */ `
  mutation ($input: TriggerPipelineRunInput!) {
    triggerPipelineRun(input: $input) {
      __typename
      ... on TriggerPipelineRunSuccess {
        wasReplayed
        pipelineRun { id status cause createdBy variables blockRunCounts { total } definition { version } pipeline { uuid } }
      }
      ... on UserError { code message path }
      ... on ConflictError { existingId }
      ... on PipelineInvalidError { problems { message } }
    }
  }
`;

type Triggered = { __typename: string; pipelineRun: { id: string } };

const start = async (input: Record<string, unknown>, role: 'VIEWER' | 'OPERATOR' = 'OPERATOR') =>
  (await api.data<{ triggerPipelineRun: Triggered }>(trigger, { input }, role)).triggerPipelineRun;

test('a run that was started shows who started it and what its blocks will be given, with secrets masked', async () => {
  const answer = await start({ pipelineUuid: 'sales', variables: { region: 'US' } });
  expect(answer).toMatchObject({
    __typename: 'TriggerPipelineRunSuccess',
    wasReplayed: false,
    pipelineRun: {
      id: expect.stringMatching(/^run_\d+$/),
      status: 'INITIAL',
      cause: 'API',
      createdBy: 'ada',
      variables: { region: 'US', db_password: '********', env: 'test', pipeline_run_id: expect.any(Number) },
      blockRunCounts: { total: 2 },
      definition: { version: 'v1' },
      pipeline: { uuid: 'sales' },
    },
  });
});

test('the same key gives the same run again, and another input under it is a conflict that names the run', async () => {
  const input = { pipelineUuid: 'sales', idempotencyKey: 'nightly' };
  const first = await start(input);
  const second = await start(input);
  expect(second).toMatchObject({ wasReplayed: true, pipelineRun: { id: first.pipelineRun.id } });
  expect(await start({ ...input, variables: { region: 'US' } })).toMatchObject({
    __typename: 'ConflictError',
    existingId: first.pipelineRun.id,
  });
});

test('an unknown pipeline, and a trigger id that is none, are refused with a sentence', async () => {
  expect(await start({ pipelineUuid: 'sails' })).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND' });
  expect(await start({ pipelineUuid: 'sales', triggerId: 'run_1' })).toMatchObject({
    __typename: 'NotFoundError',
    path: ['input', 'triggerId'],
    message: expect.stringContaining('trg_3'),
  });
});

test('variables that reach for a prototype, are too deep or too large are refused, and say where', async () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { x: deep(levels - 1) });
  const refused = async (variables: unknown) => start({ pipelineUuid: 'sales', variables });
  expect(await refused(JSON.parse('{"a": {"__proto__": 1}}'))).toMatchObject({
    __typename: 'InvalidInputError',
    path: ['input', 'variables', 'a', '__proto__'],
  });
  expect(await refused(deep(33))).toMatchObject({
    __typename: 'InvalidInputError',
    message: expect.stringMatching(/32 levels/),
  });
  expect(await refused(deep(32))).toMatchObject({ __typename: 'TriggerPipelineRunSuccess' });
  expect(await refused({ text: 'x'.repeat(65_536) })).toMatchObject({
    __typename: 'InvalidInputError',
    message: expect.stringMatching(/64 KB/),
  });
});

test('a prototype key written into the document itself is refused too', async () => {
  const { triggerPipelineRun } = await api.data<{ triggerPipelineRun: Triggered }>(
    'mutation { triggerPipelineRun(input: {pipelineUuid: "sales", variables: {__proto__: {x: 1}}}) { __typename } }',
  );
  expect(triggerPipelineRun.__typename).toBe('InvalidInputError');
});

test('a key of no or of too many characters is refused', async () => {
  for (const idempotencyKey of ['', 'k'.repeat(129)]) {
    expect(await start({ pipelineUuid: 'sales', idempotencyKey })).toMatchObject({
      __typename: 'InvalidInputError',
      path: ['input', 'idempotencyKey'],
    });
  }
});

test('a viewer is told, as data, that starting runs is not for them', async () => {
  expect(await start({ pipelineUuid: 'sales' }, 'VIEWER')).toMatchObject({
    __typename: 'ForbiddenError',
    code: 'FORBIDDEN',
  });
});
