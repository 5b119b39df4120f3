import { expect, it } from 'vitest';
import { connected, subscribe } from './support/probe.ts';
import { bearer, startSample } from './support/sample-server.ts';

const query = 'subscription { gated { n } }';

/** Lets subscriptions to `gated` open only when the test says so. */
async function startGated(options: Parameters<typeof startSample>[0] = {}) {
  const sample = await startSample(options);
  let open = () => {};
  sample.gate = new Promise((resolve) => {
    open = resolve;
  });
  const untilAsked = () => expect.poll(() => sample.contexts.length).toBe(1);
  /** Opens the gate, and waits until the stream behind it was opened and let go again. */
  const openAndRelease = async () => {
    const opened = sample.fountain.untilOpen(1);
    open();
    await opened;
    await sample.fountain.untilOpen(0);
  };
  return { ...sample, untilAsked, openAndRelease };
}

it('a socket that closes while its subscription is being opened leaves no stream behind', async () => {
  const { wsUrl, untilAsked, openAndRelease, server } = await startGated();
  const client = await connected(wsUrl);
  client.send(subscribe('1', query));
  await untilAsked();
  client.socket.terminate();
  await expect.poll(() => server.openSockets()).toBe(0);
  await openAndRelease();
});

it('an operation that is completed while it is being opened leaves no stream behind', async () => {
  const { wsUrl, untilAsked, openAndRelease } = await startGated();
  const client = await connected(wsUrl);
  client.send(subscribe('1', query));
  await untilAsked();
  client.send({ id: '1', type: 'complete' });
  client.send({ type: 'ping' });
  expect(await client.next()).toEqual({ type: 'pong' });
  await openAndRelease();
});

it('a reader of an event stream that leaves while it is being opened leaves no stream behind', async () => {
  const { url, untilAsked, openAndRelease } = await startGated();
  const leaving = new AbortController();
  const headers = { ...bearer, accept: 'text/event-stream' };
  const asking = fetch(`${url}/graphql?query=${encodeURIComponent(query)}`, { headers, signal: leaving.signal });
  await untilAsked();
  leaving.abort();
  await expect(asking).rejects.toThrow();
  await openAndRelease();
});

it('a subscription that opens after its deadline leaves no stream behind', async () => {
  const { wsUrl, openAndRelease } = await startGated({ deadlineMs: 30 });
  const client = await connected(wsUrl);
  client.send(subscribe('1', query));
  expect(await client.next()).toMatchObject({ payload: { errors: [{ extensions: { code: 'DEADLINE_EXCEEDED' } }] } });
  await openAndRelease();
});
