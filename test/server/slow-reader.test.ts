import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { connected, type Probe, subscribe } from './support/probe.ts';
import { bearer, startSample } from './support/sample-server.ts';

type Measure = { readonly rss: number; readonly pulled: Readonly<Record<string, number>> };

async function startFlood(): Promise<{ child: ChildProcess; url: string; measure: () => Promise<Measure> }> {
  // A young generation that can't grow: V8 keeps up to 130 MB of it for a busy process, which would hide what is really held.
  const execArgv = ['--expose-gc', '--max-semi-space-size=4'];
  const child = fork(fileURLToPath(new URL('./support/flood-process.ts', import.meta.url)), { execArgv });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  const measure = async () => {
    child.send('measure');
    return ((await once(child, 'message')) as [Measure])[0];
  };
  return { child, url, measure };
}

const query = 'subscription ($name: String!) { events(name: $name) { n text } }';

/** Reads `count` events and says which came out of turn. */
async function readAll(client: Probe, count: number): Promise<readonly number[]> {
  const wrong: number[] = [];
  for (let expected = 1; expected <= count; expected += 1) {
    const { payload } = (await client.next()) as { payload: { data: { events: { n: number } } } };
    if (payload.data.events.n !== expected) wrong.push(expected);
  }
  return wrong;
}

it('readers that stop cost the process less than 50 MB over 100,000 events, and another reader nothing at all', {
  timeout: 60_000,
}, async () => {
  const { child, url, measure } = await startFlood();
  const wsUrl = `${url.replace('http', 'ws')}/graphql`;
  const before = await measure();

  const stopped = await connected(wsUrl);
  stopped.send(subscribe('1', query, { variables: { name: 'stopped socket' } }));
  const stream = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...bearer, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables: { name: 'stopped stream' } }),
  });
  expect(stream.status).toBe(200);
  stopped.socket.pause();
  const reader = await connected(wsUrl);
  reader.send(subscribe('1', query, { variables: { name: 'reader' } }));
  reader.send({ type: 'ping' });
  expect(await reader.next()).toEqual({ type: 'pong' });

  child.send('flood');
  expect(await readAll(reader, 100_000)).toEqual([]);

  const after = await measure();
  expect((after.rss - before.rss) / 1e6).toBeLessThan(50);
  expect(after.pulled.reader).toBe(100_000);
  // What the kernel's and the libraries' buffers hold, and no more: most events were never even asked for.
  expect(after.pulled['stopped socket']).toBeGreaterThan(0);
  expect(after.pulled['stopped socket']).toBeLessThan(20_000);
  expect(after.pulled['stopped stream']).toBeLessThan(20_000);
  expect(child.exitCode).toBeNull();

  // Who reads on gets the rest, in order.
  stopped.socket.resume();
  expect(await readAll(stopped, 100_000)).toEqual([]);
  await stream.body?.cancel();
});

it('a client that takes nothing while data waits is closed with 1013, and its subscription is let go', async () => {
  const { wsUrl, fountain, log } = await startSample({ socketLimits: { stallMs: 400 } });
  const client = await connected(wsUrl);
  client.send(subscribe('1', 'subscription { ticks { text } }'));
  await fountain.untilOpen(1);
  client.socket.pause();
  for (let i = 0; i < 400; i += 1) fountain.push('x'.repeat(100_000));
  await vi.waitFor(
    () => expect(log.some((line) => String(line.msg).includes('read nothing for too long'))).toBe(true),
    { timeout: 3_000 },
  );
  const pulled = fountain.pulled();
  expect(pulled).toBeLessThan(400);
  client.socket.resume();
  expect(await client.closed).toMatchObject({ code: 1013 });
  await fountain.untilOpen(0);
  expect(fountain.pulled() - pulled).toBeLessThan(3);
});

it('a client that takes nothing and never wakes up is cut', async () => {
  const { wsUrl, fountain, server } = await startSample({ socketLimits: { stallMs: 200 } });
  const client = await connected(wsUrl);
  client.send(subscribe('1', 'subscription { ticks { text } }'));
  await fountain.untilOpen(1);
  client.socket.pause();
  for (let i = 0; i < 400; i += 1) fountain.push('x'.repeat(100_000));
  await fountain.untilOpen(0);
  await vi.waitFor(() => expect(server.openSockets()).toBe(0));
});

it('an event stream whose reader takes nothing is cut, and its subscription is let go', async () => {
  const { url, fountain } = await startSample({ socketLimits: { stallMs: 200 } });
  const stream = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...bearer, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { ticks { text } }' }),
  });
  await fountain.untilOpen(1);
  for (let i = 0; i < 400; i += 1) fountain.push('x'.repeat(100_000));
  await fountain.untilOpen(0);
  await expect(stream.text()).rejects.toThrow();
});

it('a client that asks and asks but never reads the answers is no longer listened to', async () => {
  const { wsUrl } = await startSample({ socketLimits: { maxBacklogBytes: 64 * 1024, messagesPerSecond: 100_000 } });
  const client = await connected(wsUrl);
  client.socket.pause();
  const payload = { name: 'x'.repeat(50_000) };
  for (let n = 0; n < 500; n += 1) client.send({ type: 'ping', payload });
  // 25 MB in each direction: more than the kernel holds. The rest stays with the client, because we stopped reading: back-pressure, all the
  // way to who causes it. It must not be taken in later either, as long as nothing is read.
  const unsent = async () => {
    const before = client.socket.bufferedAmount;
    await sleep(300);
    return client.socket.bufferedAmount === before ? before : 0;
  };
  await expect.poll(unsent, { timeout: 10_000 }).toBeGreaterThan(1_000_000);
  client.socket.resume();
  for (let n = 0; n < 500; n += 1) expect((await client.next()).type).toBe('pong');
});
