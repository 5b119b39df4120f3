import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connected, probe, subscribe } from './support/probe.ts';
import { startSample } from './support/sample-server.ts';

/** For promises about time, which a machine that is busy with something else may break once. */
const retried = { retry: 3 } as const;

it.each([
  ['closes', (socket: { close(): void; terminate(): void }) => socket.close()],
  ['vanishes', (socket: { close(): void; terminate(): void }) => socket.terminate()],
])('when a client %s, its subscriptions are let go within 100 ms, without another event', retried, async (_, leave) => {
  const { wsUrl, fountain, server } = await startSample();
  const client = await connected(wsUrl);
  for (let i = 0; i < 100; i += 1) client.send(subscribe(`${i}`, 'subscription { silence { n } }'));
  await fountain.untilOpen(100);
  leave(client.socket);
  await Promise.race([fountain.untilOpen(0), sleep(100).then(() => Promise.reject(new Error('still open')))]);
  expect(server.openSockets()).toBe(0);
});

it('an unsubscribe lets its source go at once, without another event', retried, async () => {
  const { wsUrl, fountain } = await startSample();
  const client = await connected(wsUrl);
  client.send(subscribe('1', 'subscription { silence { n } }'));
  await fountain.untilOpen(1);
  client.send({ id: '1', type: 'complete' });
  await Promise.race([fountain.untilOpen(0), sleep(100).then(() => Promise.reject(new Error('still open')))]);
});

it('the 101st operation of a socket is refused, and the other hundred go on', async () => {
  const { wsUrl, fountain } = await startSample();
  const client = await connected(wsUrl);
  for (let i = 1; i <= 101; i += 1) client.send(subscribe(`${i}`, 'subscription { ticks { n } }'));
  expect(await client.next()).toMatchObject({
    id: '101',
    type: 'error',
    payload: [{ extensions: { code: 'TOO_MANY_OPERATIONS' } }],
  });
  expect(fountain.openStreams()).toBe(100);
  fountain.push();
  const answered = new Set<string | undefined>();
  while (answered.size < 100) answered.add((await client.next()).id);
  expect(answered.has('101')).toBe(false);
});

it('a principal with too many sockets is asked to come back later (1013)', async () => {
  const { wsUrl } = await startSample({ socketLimits: { socketsPerPrincipal: 2 } });
  await connected(wsUrl);
  await connected(wsUrl);
  const third = await probe(wsUrl);
  third.init().catch(() => undefined);
  expect(await third.closed).toMatchObject({ code: 1013 });
});

it('a process that is full takes no more upgrades', async () => {
  const { wsUrl } = await startSample({ socketLimits: { socketsPerProcess: 1 } });
  await connected(wsUrl);
  await expect(probe(wsUrl)).rejects.toThrow('refused 503');
});

it('a client that talks too fast is read more slowly, and still gets every answer', async () => {
  const { wsUrl } = await startSample({ socketLimits: { messagesPerSecond: 100 } });
  const client = await connected(wsUrl);
  const startedAt = performance.now();
  for (let n = 0; n < 250; n += 1) client.send({ type: 'ping', payload: { n } });
  for (let n = 0; n < 250; n += 1) expect(await client.next()).toEqual({ type: 'pong', payload: { n } });
  client.send({ type: 'ping', payload: { n: 'last' } });
  expect(await client.next()).toEqual({ type: 'pong', payload: { n: 'last' } });
  // 252 messages, 200 of them a permitted burst: the rest takes half a second at this rate.
  expect(performance.now() - startedAt).toBeGreaterThan(400);
});

it('a silent client is pinged, and cut when it does not answer', async () => {
  const { wsUrl } = await startSample({ socketLimits: { keepAliveMs: 100 } });
  const alive = await connected(wsUrl);
  const pinged = new Promise((resolve) => alive.socket.once('ping', resolve));
  // A client that is gone without a goodbye answers no pings.
  const dead = await (await probe(wsUrl, { autoPong: false })).init();
  await pinged;
  expect(await dead.closed).toMatchObject({ code: 1006 });
  alive.send({ type: 'ping' });
  expect(await alive.next()).toEqual({ type: 'pong' });
});
