import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import {
  CancelPipelineRunsDocument,
  PipelineRunDocument,
  PipelineRunsDocument,
  ServerStatusDocument,
  TriggerPipelineRunDocument,
  WatchRunEventsDocument,
} from '../../src/generated/graphql/graphql.ts';
import { documentLimits } from '../../src/graphql/limits.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { createTokenAccess } from '../../src/server/access.ts';
import { type RunningServer, startServer } from '../../src/server/start-server.ts';
import { startApi, type TestApi } from '../graphql/api.ts';
import { chain, saveProject } from '../graphql/project.ts';

const token = 'a-token-for-tests';
let api: TestApi;

beforeAll(async () => {
  api = await startApi({ isLive: true });
  await saveProject(api.database, [chain('sales', ['load', 'clean'])]);
});
afterAll(() => api?.close());

async function serve(port = 0): Promise<RunningServer> {
  const server = await startServer({
    host: '127.0.0.1',
    port,
    schema: createSchema(),
    createContext: (request, document) => api.createContext(request, document),
    access: createTokenAccess({ token }),
    documentLimits,
    logger: pino({ level: 'silent' }),
    drainMs: 50,
  });
  onTestFinished(() => server.close());
  return server;
}

function connect(url: string, withToken: string | null = token) {
  const client = createClient({ url, token: withToken, reconnects: 20 });
  onTestFinished(() => client.close());
  return client;
}

test('a program starts a run, looks at it, lists it and cancels it', async () => {
  const client = connect((await serve()).url);
  const { triggerPipelineRun } = await client.request(TriggerPipelineRunDocument, { input: { pipelineUuid: 'sales' } });
  if (triggerPipelineRun.__typename !== 'TriggerPipelineRunSuccess') throw new Error(triggerPipelineRun.message);
  const { id } = triggerPipelineRun.pipelineRun;
  const { pipelineRun } = await client.request(PipelineRunDocument, { id });
  expect(pipelineRun).toMatchObject({
    id,
    cause: 'API',
    createdBy: 'admin',
    blockRuns: { nodes: [{ blockUuid: 'load' }, { blockUuid: 'clean' }] },
  });
  const { pipelineRuns } = await client.request(PipelineRunsDocument, { filter: { id: { eq: id } } });
  expect(pipelineRuns.nodes).toMatchObject([{ id, status: 'INITIAL' }]);
  const { cancelPipelineRuns } = await client.request(CancelPipelineRunsDocument, {
    input: { selection: { ids: [id] } },
  });
  expect(cancelPipelineRuns.results).toMatchObject([{ pipelineRun: { status: 'CANCELLED' }, error: null }]);
  expect(await client.request(ServerStatusDocument, {})).toMatchObject({
    viewer: { role: 'ADMIN' },
    server: { projectName: 'examples' },
  });
});

test('errors have names: nobody answers, the token is wrong, the question is', async () => {
  const server = await serve();
  await expect(connect(server.url, 'wrong').request(ServerStatusDocument, {})).rejects.toMatchObject({
    name: 'AccessDeniedError',
  });
  await expect(connect(server.url).request(PipelineRunsDocument, { first: -1 })).rejects.toMatchObject({
    name: 'ApiError',
    code: 'INVALID_INPUT',
  });
  const followed = connect(server.url).subscribe(WatchRunEventsDocument, { after: 'yesterday' });
  await expect(followed.next()).rejects.toMatchObject({ name: 'ApiError', code: 'INVALID_CURSOR' });
  await expect(connect(server.url, 'wrong').subscribe(WatchRunEventsDocument, {}).next()).rejects.toMatchObject({
    name: 'AccessDeniedError',
  });
  await server.close();
  await expect(connect(server.url).request(ServerStatusDocument, {})).rejects.toMatchObject({
    name: 'ServerUnreachableError',
  });
});

test('a follower whose server restarts gets exactly what happened meanwhile', async () => {
  const first = await serve();
  const followed = connect(first.url).subscribe(WatchRunEventsDocument, { filter: { kind: ['RUN_CREATED'] } });
  const next = async () => (await followed.next()).value?.runEvents;
  const start = async () => {
    const source =
      'mutation { triggerPipelineRun(input: {pipelineUuid: "sales"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }';
    return (await api.data<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(source)).triggerPipelineRun
      .pipelineRun.id;
  };
  expect(await next()).toMatchObject({ __typename: 'Subscribed' });
  const seen = await start();
  expect(await next()).toMatchObject({ pipelineRunId: seen });

  await first.close();
  const missed = [await start(), await start()];
  await serve(first.port);
  expect(await next()).toMatchObject({ __typename: 'Subscribed' });
  expect([await next(), await next()]).toMatchObject(missed.map((pipelineRunId) => ({ pipelineRunId })));
  const live = await start();
  expect(await next()).toMatchObject({ pipelineRunId: live });
  await followed.return?.();
});
