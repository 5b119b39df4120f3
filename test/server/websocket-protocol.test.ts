import { expect, it } from 'vitest';
import { connected, probe, subscribe } from './support/probe.ts';
import { startSample, token } from './support/sample-server.ts';

const init = { type: 'connection_init', payload: { token } };

it('a client that names no subprotocol is closed with 4406', async () => {
  const { wsUrl } = await startSample();
  const client = await probe(wsUrl, { protocols: [] });
  expect(await client.closed).toMatchObject({ code: 4406 });
});

it('a client of the legacy subprotocol gets no connection', async () => {
  const { wsUrl } = await startSample();
  await expect(probe(wsUrl, { protocols: ['graphql-ws'] })).rejects.toThrow(/subprotocol/);
});

it('a client that never introduces itself is closed with 4408', async () => {
  const { wsUrl } = await startSample({ socketLimits: { initTimeoutMs: 50 } });
  const client = await probe(wsUrl);
  expect(await client.closed).toMatchObject({ code: 4408 });
});

it('a client that introduces itself twice is closed with 4429', async () => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  client.send(init);
  expect(await client.closed).toMatchObject({ code: 4429 });
});

it.each([
  ['a wrong token', { type: 'connection_init', payload: { token: 'guessed' } }],
  ['a token that is no string', { type: 'connection_init', payload: { token: { $ne: null } } }],
  ['no token', { type: 'connection_init' }],
])('a client with %s is closed with 4403', async (_, message) => {
  const { wsUrl } = await startSample();
  const client = await probe(wsUrl);
  client.send(message);
  expect(await client.closed).toMatchObject({ code: 4403 });
});

it('a token in the URL is worth nothing', async () => {
  const { wsUrl } = await startSample();
  const client = await probe(`${wsUrl}?token=${token}`);
  client.send({ type: 'connection_init' });
  expect(await client.closed).toMatchObject({ code: 4403 });
});

it('a client that subscribes before it was acknowledged is closed with 4401', async () => {
  const { wsUrl } = await startSample();
  const client = await probe(wsUrl);
  client.send(subscribe('1', '{ hello }'));
  expect(await client.closed).toMatchObject({ code: 4401 });
});

it.each([
  ['text that is not JSON', 'hello?'],
  ['a type that does not exist', { type: 'start', id: '1' }],
  ['what only servers say', { type: 'next', id: '1', payload: { data: {} } }],
  ['variables that are no object', { type: 'subscribe', id: '1', payload: { query: '{ hello }', variables: 'many' } }],
])('%s closes the connection with 4400', async (_, message) => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  client.send(message);
  expect(await client.closed).toMatchObject({ code: 4400 });
});

it('what a client says after it was told goodbye is not carried out', async () => {
  const sample = await startSample();
  const client = await connected(sample.wsUrl);
  client.send('hello?');
  client.send(subscribe('1', 'mutation { bump }'));
  await client.closed;
  expect(sample.bumps).toBe(0);
});

it('an id that is in use closes the connection with 4409', async () => {
  const { wsUrl, fountain } = await startSample();
  const client = await connected(wsUrl);
  client.send(subscribe('1', 'subscription { silence { n } }'));
  await fountain.untilOpen(1);
  client.send(subscribe('1', 'subscription { silence { n } }'));
  expect(await client.closed).toMatchObject({ code: 4409 });
});

it.each(['toString', '__proto__', 'constructor'])('"%s" is an id like any other', async (id) => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  client.send(`{"id": "${id}", "type": "subscribe", "payload": {"query": "{ hello }"}}`);
  expect(await client.next()).toEqual({ id, type: 'next', payload: { data: { hello: 'hello world' } } });
  expect(await client.next()).toEqual({ id, type: 'complete' });
});

it.each([
  ['a syntax error', '{ hello'],
  ['an unknown field', 'subscription { tocks }'],
  ['an unknown operation', 'query A { hello } query B { hello }'],
])('%s is an `error` without `complete`, and the other operations of the socket go on', async (_, query) => {
  const { wsUrl, fountain } = await startSample();
  const client = await connected(wsUrl);
  client.send(subscribe('good', 'subscription { ticks { n } }'));
  await fountain.untilOpen(1);
  client.send(subscribe('bad', query));
  expect(await client.next()).toMatchObject({ id: 'bad', type: 'error' });
  fountain.push();
  expect(await client.next()).toEqual({ id: 'good', type: 'next', payload: { data: { ticks: { n: 1 } } } });
  expect(client.unread()).toEqual([]);
});

it('an operation that is completed before its result stays silent', async () => {
  const { wsUrl } = await startSample({ deadlineMs: 100 });
  const client = await connected(wsUrl);
  client.send(subscribe('slow', '{ never }'));
  client.send({ id: 'slow', type: 'complete' });
  client.send(subscribe('later', '{ never }'));
  expect(await client.next()).toMatchObject({ id: 'later', type: 'next' });
});

it('a ping is answered with its payload', async () => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  client.send({ type: 'ping', payload: { n: 7 } });
  expect(await client.next()).toEqual({ type: 'pong', payload: { n: 7 } });
});

it('a message over 128 KB closes the connection with 1009', async () => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  client.send(subscribe('1', `{ hello(name: "${'x'.repeat(128 * 1024)}") }`));
  expect(await client.closed).toMatchObject({ code: 1009 });
});

it('compression is not offered, also when the client asks for it', async () => {
  const { wsUrl } = await startSample();
  const client = await connected(wsUrl);
  expect(client.socket.extensions).toBe('');
});
