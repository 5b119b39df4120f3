import { getNamedType, isInterfaceType, isObjectType } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { actions, may, roles } from '../../src/graphql/access.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { errorCode, startApi, type TestApi } from './api.ts';

let api: TestApi;

/** One that exists. */
let batchId: string;

beforeAll(async () => {
  api = await startApi();
  const { plan } = await api.data<{ plan: { batch: { id: string } } }>(
    'mutation { plan: previewPipelineRunBatch(input: {action: CANCEL, selection: {filter: {}}}) { batch { id } } }',
  );
  batchId = plan.batch.id;
});
afterAll(() => api?.close());

const inputs: Record<string, string> = {
  triggerPipelineRun: '{pipelineUuid: "sales"}',
  triggerPipelineRuns: '{runs: [{pipelineUuid: "sales"}]}',
  cancelAllRunningPipelineRuns: '{pipelineUuid: "sales"}',
  retryIncompleteBlockRuns: '{pipelineUuid: "sales"}',
  previewPipelineRunBatch: '{action: CANCEL, selection: {ids: ["run_1"]}}',
  abortBatchOperation: '{id: "bop_1"}',
};
/** What only an ADMIN may do; an operator is refused like a viewer. */
const forAdmins = new Set(['deletePipelineRuns']);

/** A document for a root field, with the arguments that it needs and one field of its answer. */
function documentFor(operation: 'query' | 'mutation' | 'subscription', name: string): string {
  const root = createSchema().getRootType(operation as never);
  const field = root!.getFields()[name]!;
  const required: Record<string, string> = {
    id: name === 'batchOperationProgress' ? `"${batchId}"` : '"run_1"',
    ids: '["run_1"]',
    uuid: '"sales"',
    filter: '{}',
    input: inputs[name] ?? '{selection: {ids: ["run_1"]}}',
  };
  const given = field.args.filter((argument) => String(argument.type).endsWith('!'));
  const list = given.map((argument) => `${argument.name}: ${required[argument.name]}`).join(', ');
  const type = getNamedType(field.type);
  const hasFields = isObjectType(type) || isInterfaceType(type) || 'getTypes' in type;
  return `${operation} { ${name}${list ? `(${list})` : ''} ${hasFields ? '{ __typename }' : ''} }`;
}

const schema = createSchema();
const queries = Object.keys(schema.getQueryType()!.getFields());
const mutations = Object.keys(schema.getMutationType()!.getFields());
const subscriptions = Object.keys(schema.getSubscriptionType()!.getFields());

test.each(queries)('nobody can not ask %s, and a viewer can', async (name) => {
  expect(errorCode(await api.ask(documentFor('query', name), { role: null }))).toBe('FORBIDDEN');
  expect((await api.ask(documentFor('query', name), { role: 'VIEWER' })).errors).toBeUndefined();
});

test.each(mutations)('nobody and a viewer are refused %s as data, and an operator is not', async (name) => {
  const source = documentFor('mutation', name).replace(
    '{ __typename }',
    '{ __typename ...on PipelineRunBatchPayload { error { code } } ...on TriggerPipelineRunsPayload { results { __typename } } }',
  );
  const [nobody, viewer, operator] = await Promise.all(
    ([null, 'VIEWER', forAdmins.has(name) ? 'ADMIN' : 'OPERATOR'] as const).map(async (role) =>
      JSON.stringify(await api.ask(source, { role })),
    ),
  );
  expect(viewer).toMatch(/ForbiddenError|"code":"FORBIDDEN"/);
  expect(nobody).toMatch(/ForbiddenError|FORBIDDEN/);
  expect(operator).not.toMatch(/ForbiddenError|FORBIDDEN/);
});

test('an operator may not delete runs, nor preview or abort it', async () => {
  const preview =
    'mutation { previewPipelineRunBatch(input: {action: DELETE, selection: {filter: {}}}) { batch { id } error { code } } }';
  const plan = await api.data<{ previewPipelineRunBatch: { batch: { id: string } } }>(preview, {});
  const { id } = plan.previewPipelineRunBatch.batch;
  const documents = [
    preview,
    documentFor('mutation', 'deletePipelineRuns').replace('__typename', 'error { code }'),
    `mutation { abortBatchOperation(input: {id: "${id}"}) { __typename } }`,
  ];
  for (const source of documents) {
    expect(JSON.stringify(await api.ask(source, { role: 'OPERATOR' }))).toMatch(/ForbiddenError|"code":"FORBIDDEN"/);
  }
});

test.each(subscriptions)('nobody can not subscribe to %s, and a viewer can', async (name) => {
  const refused = await api.subscribe(documentFor('subscription', name), { role: null });
  expect(refused).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  expect(await api.subscribe(documentFor('subscription', name), { role: 'VIEWER' })).toHaveProperty('next');
});

test('each role may do what the one before it may, and VIEWER.can says the same', async () => {
  const allowed = roles.map((role) => actions.filter((action) => may({ name: 'ada', role }, action)));
  expect(allowed).toMatchInlineSnapshot(`
    [
      [
        "read",
      ],
      [
        "read",
        "trigger",
        "retry",
        "cancel",
        "switch_triggers",
        "backfill",
      ],
      [
        "read",
        "trigger",
        "retry",
        "cancel",
        "delete_runs",
        "switch_triggers",
        "edit_triggers",
        "backfill",
        "manage_tokens",
        "manage_server",
      ],
    ]
  `);
  for (const [index, role] of roles.entries()) {
    const checks = actions.map((action) => `${action}: can(action: ${action.toUpperCase()})`).join(' ');
    const { viewer } = await api.data<{ viewer: Record<string, boolean> }>(`{ viewer { ${checks} } }`, {}, role);
    expect(actions.filter((action) => viewer[action])).toEqual(allowed[index]);
  }
});
