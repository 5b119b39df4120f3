import { expect, it } from 'vitest';
import { eventsOf } from './support/carry.ts';
import { connected, probe, subscribe } from './support/probe.ts';
import { bearer, post, startSample } from './support/sample-server.ts';

it('a server that drains says so, takes no more sockets, and still answers queries', async () => {
  const { server, url, wsUrl } = await startSample();
  expect(await fetch(`${url}/health/ready`)).toMatchObject({ status: 200 });
  await server.drain();
  expect(await fetch(`${url}/health/ready`)).toMatchObject({ status: 503 });
  expect(await fetch(`${url}/health/live`)).toMatchObject({ status: 200 });
  expect((await post(url, { query: '{ hello }' })).status).toBe(200);
  await expect(probe(wsUrl)).rejects.toThrow('refused 503');
});

it('sockets are closed with 1012, not all at the same moment, and their subscriptions let go', async () => {
  const { server, wsUrl, fountain } = await startSample({ drainMs: 1_000 });
  const clients = await Promise.all(Array.from({ length: 20 }, () => connected(wsUrl)));
  for (const client of clients) client.send(subscribe('1', 'subscription { silence { n } }'));
  await fountain.untilOpen(20);
  const startedAt = performance.now();
  const moments: number[] = [];
  const goodbyes = clients.map(async (client) => {
    const { code } = await client.closed;
    moments.push(performance.now() - startedAt);
    return code;
  });
  await server.drain();
  expect(new Set(await Promise.all(goodbyes))).toEqual(new Set([1012]));
  expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThan(100);
  expect(Math.max(...moments)).toBeLessThan(1_000);
  expect(fountain.openStreams()).toBe(0);
  expect(server.openSockets()).toBe(0);
});

it('a socket that does not answer the goodbye is cut at the deadline', async () => {
  const { server, wsUrl, fountain } = await startSample({ drainMs: 200 });
  const client = await connected(wsUrl);
  client.send(subscribe('1', 'subscription { silence { n } }'));
  await fountain.untilOpen(1);
  client.socket.pause();
  await server.drain();
  expect(server.openSockets()).toBe(0);
  expect(fountain.openStreams()).toBe(0);
});

it('event streams end without `complete`, so that their readers come back', async () => {
  const { server, url, fountain } = await startSample();
  const headers = { ...bearer, accept: 'text/event-stream' };
  const response = await fetch(`${url}/graphql?query=${encodeURIComponent('subscription { silence { n } }')}`, {
    headers,
  });
  await fountain.untilOpen(1);
  await server.drain();
  for await (const event of eventsOf(response)) expect.fail(`got ${event.event}`);
  expect(fountain.openStreams()).toBe(0);
});

it('a closed server listens no more, and closing twice is no harm', async () => {
  const { server, url } = await startSample();
  await post(url, { query: '{ hello }' });
  await Promise.all([server.close(), server.close()]);
  await expect(post(url, { query: '{ hello }' })).rejects.toThrow();
});

it('an answer that is on its way when the server closes still arrives', async () => {
  const { server, url, contexts } = await startSample({ deadlineMs: 150, drainMs: 1_000 });
  const asking = post(url, { query: '{ never }' });
  await expect.poll(() => contexts.length).toBe(1);
  await server.close();
  expect((await asking).status).toBe(200);
});
