import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EventStream, FeedMessage } from '../../src/events/event-feed.ts';
import { errorCode, startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi({ isLive: true });
  await saveProject(api.database, [
    chain('sales', ['load', 'clean'], { tags: ['nightly'] }),
    chain('stock', ['count']),
  ]);
});
afterAll(() => api?.close());

async function startRun(pipelineUuid = 'sales'): Promise<string> {
  const source = `mutation { triggerPipelineRun(input: {pipelineUuid: "${pipelineUuid}"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }`;
  return (await api.data<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(source)).triggerPipelineRun
    .pipelineRun.id;
}

async function cancelRun(id: string): Promise<void> {
  await api.data(
    'mutation ($id: ID!) { cancelPipelineRuns(input: {selection: {ids: [$id]}}) { results { error { message } } } }',
    { id },
  );
}

type Message = { readonly __typename: string; readonly cursor: string } & Record<string, unknown>;

/** Follows a subscription: each call of `next` waits for a message and shows it as a client would see it. */
async function follow(source: string, variables: Record<string, unknown> = {}) {
  const stream = (await api.subscribe(source, { variables })) as EventStream;
  expect(stream).toHaveProperty('next');
  return {
    next: async (): Promise<Message> => {
      const { value } = (await stream.next()) as { value: FeedMessage };
      return Object.values(await api.deliver(source, value))[0] as Message;
    },
    stop: () => stream.return?.(),
  };
}

const runEvents = /* GraphQL */ `
  subscription ($filter: RunEventFilter, $after: String) {
    runEvents(filter: $filter, after: $after) {
      __typename
      ... on Subscribed { cursor }
      ... on RunEvent { cursor seq kind pipelineRunId blockUuid blockStatus runStatus from to actor reason { code } }
      ... on Lagged { cursor skippedLive }
      ... on CursorExpired { oldestCursor resumesAt }
    }
  }
`;

test('a follower is told that it is subscribed, then the whole story of a run, in order', async () => {
  const follower = await follow(runEvents, { filter: { pipelineUuid: { eq: 'sales' } } });
  expect(await follower.next()).toMatchObject({ __typename: 'Subscribed', cursor: expect.any(String) });
  await startRun('stock');
  const id = await startRun();
  await cancelRun(id);
  const story = [
    await follower.next(),
    await follower.next(),
    await follower.next(),
    await follower.next(),
    await follower.next(),
  ];
  expect(story.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(story).toMatchObject([
    { kind: 'RUN_CREATED', pipelineRunId: id, runStatus: 'INITIAL', actor: 'ada' },
    { kind: 'CANCEL_REQUESTED', blockStatus: null, runStatus: null },
    {
      kind: 'BLOCK_STATUS_CHANGED',
      blockUuid: 'load',
      from: 'INITIAL',
      to: 'CANCELLED',
      blockStatus: 'CANCELLED',
      runStatus: null,
    },
    { kind: 'BLOCK_STATUS_CHANGED', blockUuid: 'clean' },
    { kind: 'RUN_STATUS_CHANGED', runStatus: 'CANCELLED', blockStatus: null, reason: { code: 'CANCELLED_BY_USER' } },
  ]);
  await follower.stop();
});

test('a query and a subscription that takes its eventCursor leave no gap and repeat nothing', async () => {
  const before = await startRun();
  const { eventCursor } = await api.data<{ eventCursor: string }>('{ eventCursor pipelineRuns { nodes { id } } }');
  const afterwards = await startRun();
  const follower = await follow(runEvents, { after: eventCursor, filter: { kind: ['RUN_CREATED'] } });
  expect((await follower.next()).__typename).toBe('Subscribed');
  const message = await follower.next();
  expect(message.pipelineRunId).toBe(afterwards);
  expect(message.pipelineRunId).not.toBe(before);
  await follower.stop();
});

test("the cursors of a run's history are those of its stream", async () => {
  const id = await startRun();
  await cancelRun(id);
  type History = {
    pipelineRun: { events: { edges: { cursor: string; node: { seq: number; cursor: string } }[]; pageInfo: object } };
  };
  const history = async (page: string) =>
    (
      await api.data<History>(
        `{ pipelineRun(id: "${id}") { events(${page}) { edges { cursor node { seq cursor } } pageInfo { hasNextPage hasPreviousPage } } } }`,
      )
    ).pipelineRun.events;
  const { edges } = await history('first: 2');
  expect(edges.map((edge) => edge.node.seq)).toEqual([1, 2]);
  expect(edges.map((edge) => edge.node.cursor)).toEqual(edges.map((edge) => edge.cursor));

  const follower = await follow(runEvents, { after: edges[1]!.cursor, filter: { pipelineRunId: { eq: id } } });
  expect((await follower.next()).__typename).toBe('Subscribed');
  const live = [await follower.next(), await follower.next()];
  expect(live.map(({ seq }) => seq)).toEqual([3, 4]);
  await follower.stop();

  const rest = await history(`first: 10, after: "${live[0]!.cursor}"`);
  expect(rest).toMatchObject({
    edges: [{ node: { seq: 4 } }, { node: { seq: 5 } }],
    pageInfo: { hasNextPage: false, hasPreviousPage: true },
  });
  const newest = await history('last: 2');
  expect(newest).toMatchObject({
    edges: [{ node: { seq: 4 } }, { node: { seq: 5 } }],
    pageInfo: { hasNextPage: false, hasPreviousPage: true },
  });
});

const blockRuns = /* GraphQL */ `
  subscription ($filter: BlockRunStatusChangeFilter) {
    blockRunStatusChanged(filter: $filter) {
      __typename
      ... on BlockRunStatusChanged { from to attempt runAttempt blockUuid blockRunId pipelineRunId reason { code } blockRun { id status pipelineRun { id status } } }
    }
  }
`;

test("a block run's change comes with the block run as it is now", async () => {
  const id = await startRun();
  const follower = await follow(blockRuns, {
    filter: { pipelineRunId: { eq: id }, blockUuid: { eq: 'clean' }, to: ['CANCELLED'] },
  });
  expect((await follower.next()).__typename).toBe('Subscribed');
  await cancelRun(id);
  expect(await follower.next()).toMatchObject({
    __typename: 'BlockRunStatusChanged',
    from: 'INITIAL',
    to: 'CANCELLED',
    blockUuid: 'clean',
    pipelineRunId: id,
    blockRun: { status: 'CANCELLED', pipelineRun: { id, status: 'CANCELLED' } },
  });
  await follower.stop();
});

const pipelineRuns = /* GraphQL */ `
  subscription ($filter: PipelineRunStatusChangeFilter) {
    pipelineRunStatusChanged(filter: $filter) {
      __typename
      ... on PipelineRunStatusChanged { from to runAttempt pipelineRunId pipelineUuid pipelineRun { id status } }
    }
  }
`;

test('runs are followed by tag, from their first moment to their end', async () => {
  const follower = await follow(pipelineRuns, { filter: { tag: { eq: 'nightly' } } });
  expect((await follower.next()).__typename).toBe('Subscribed');
  const other = await startRun('stock');
  const id = await startRun('sales');
  await cancelRun(other);
  await cancelRun(id);
  expect([await follower.next(), await follower.next()]).toMatchObject([
    { from: null, to: 'INITIAL', pipelineRunId: id },
    { from: 'INITIAL', to: 'CANCELLED', pipelineRunId: id, pipelineRun: { status: 'CANCELLED' } },
  ]);
  await follower.stop();
});

test('who stops following by tag is let go at once, also while nothing happens', async () => {
  const stream = (await api.subscribe(pipelineRuns, {
    variables: { filter: { tag: { eq: 'nightly' } } },
  })) as EventStream;
  await stream.next();
  const waiting = stream.next();
  await stream.return?.();
  expect(await waiting).toMatchObject({ done: true });
});

test('an event whose run was deleted since shows null instead of the run', async () => {
  const event = {
    id: 1n,
    pipelineRunId: 999_999n,
    seq: 1,
    at: new Date(),
    kind: 'run_created',
    pipelineUuid: 'sales',
    runAttempt: 1,
    toStatus: 'initial',
    fromStatus: null,
  };
  const answer = await api.deliver(pipelineRuns, { type: 'event', cursor: 'c', event });
  expect(answer).toMatchObject({ pipelineRunStatusChanged: { pipelineRunId: 'run_999999', pipelineRun: null } });
});

test('what is said about the stream itself reaches the client', async () => {
  expect(await api.deliver(runEvents, { type: 'lagged', cursor: 'c', skippedLive: 7 })).toEqual({
    runEvents: { __typename: 'Lagged', cursor: 'c', skippedLive: 7 },
  });
  expect(await api.deliver(runEvents, { type: 'expired', oldestCursor: 'o', resumesAt: 'r' })).toEqual({
    runEvents: { __typename: 'CursorExpired', oldestCursor: 'o', resumesAt: 'r' },
  });
});

test('a cursor that is none, and an id that is none, are refused when subscribing', async () => {
  const refused = async (variables: Record<string, unknown>) =>
    errorCode((await api.subscribe(runEvents, { variables })) as never);
  expect(await refused({ after: 'yesterday' })).toBe('INVALID_CURSOR');
  expect(await refused({ filter: { pipelineRunId: { eq: '1042' } } })).toBe('INVALID_INPUT');
});
