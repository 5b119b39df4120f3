import { setTimeout as sleep } from 'node:timers/promises';
import { getIntrospectionQuery } from 'graphql';
import { expect, it } from 'vitest';
import { firstTabs } from '../../src/server/graphiql-tabs.ts';
import { eventsOf } from './support/carry.ts';
import { createLiveFeed } from './support/live-feed.ts';
import { connected, subscribe } from './support/probe.ts';
import { startReal } from './support/real-server.ts';
import { bearer, jsonOf, post } from './support/sample-server.ts';

/** For promises about time, which a machine that is busy with something else may break once. */
const retried = { retry: 3 } as const;

it('codegen and GraphiQL can read the whole schema', async () => {
  const { url } = await startReal(createLiveFeed());
  const query = getIntrospectionQuery({
    inputValueDeprecation: true,
    schemaDescription: true,
    oneOf: true,
    specifiedByUrl: true,
  });
  expect((await jsonOf(await post(url, { query }))).errors).toBeUndefined();
});

it('the tabs that GraphiQL opens with are valid, within limits, and answered', async () => {
  const feed = createLiveFeed();
  const { url, wsUrl } = await startReal(feed);
  const [look, act, follow] = firstTabs;
  expect(await jsonOf(await post(url, { query: look?.query }))).toEqual({
    data: { pipelines: { nodes: [] }, pipelineRuns: { nodes: [] } },
  });
  const variables = JSON.parse(act?.variables ?? '{}') as unknown;
  expect(await jsonOf(await post(url, { query: act?.query, variables }))).toMatchObject({
    data: { triggerPipelineRun: { code: 'NOT_FOUND' } },
  });
  const client = await connected(wsUrl);
  client.send(subscribe('1', follow?.query ?? ''));
  expect(await client.next()).toMatchObject({ payload: { data: { runEvents: { __typename: 'Subscribed' } } } });
  feed.happen({});
  expect(await client.next()).toMatchObject({ payload: { data: { runEvents: { kind: 'RUN_STATUS_CHANGED' } } } });
});

it.each([
  'subscription { runEvents { __typename } }',
  'subscription { blockRunStatusChanged(filter: {pipelineUuid: {in: ["a"]}}) { __typename } }',
  'subscription { pipelineRunStatusChanged(filter: {tag: {in: ["a"]}}) { __typename } }',
])('%s lets its stream go within 100 ms of the end of its connection', retried, async (query) => {
  const feed = createLiveFeed();
  const { wsUrl } = await startReal(feed);
  const client = await connected(wsUrl);
  for (let i = 0; i < 50; i += 1) client.send(subscribe(`${i}`, query));
  await feed.untilOpen(50);
  for (let i = 0; i < 50; i += 1) await client.next();
  client.socket.terminate();
  await Promise.race([feed.untilOpen(0), sleep(100).then(() => Promise.reject(new Error('still open')))]);
});

it('an event stream of run events has their cursors as ids', async () => {
  const feed = createLiveFeed();
  const { url } = await startReal(feed);
  const query = encodeURIComponent('subscription { runEvents { __typename } }');
  const events = eventsOf(
    await fetch(`${url}/graphql?query=${query}`, { headers: { ...bearer, accept: 'text/event-stream' } }),
  );
  expect((await events.next()).value).toMatchObject({ id: '0' });
  feed.happen({});
  expect((await events.next()).value).toMatchObject({ id: '1' });
  await events.return(undefined);
});

it('malformed ids and cursors get a sentence', async () => {
  const { url } = await startReal(createLiveFeed());
  for (const query of [
    '{ pipelineRuns(after: "x") { nodes { id } } }',
    '{ pipelineRuns(first: -1) { nodes { id } } }',
  ]) {
    const { errors } = await jsonOf(await post(url, { query }));
    expect(errors?.[0]?.extensions?.code).toMatch(/^INVALID_/);
  }
  expect(await jsonOf(await post(url, { query: '{ pipelineRun(id: "nonsense") { id } }' }))).toMatchObject({
    data: { pipelineRun: null },
  });
});
