import { expect, it } from 'vitest';
import { eventsOf } from './support/carry.ts';
import { bearer, startSample } from './support/sample-server.ts';

const stream = { ...bearer, accept: 'text/event-stream' };
const open = (url: string, query: string, headers = {}) =>
  fetch(`${url}/graphql?${new URLSearchParams({ query })}`, { headers: { ...stream, ...headers } });

it('each event has the cursor as its id, whatever was selected; the end is an event too', async () => {
  const { url, fountain } = await startSample();
  const response = await open(url, 'subscription { again: ticks(after: "0") { n } }');
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(response.headers.get('cache-control')).toBe('no-store');
  const events = eventsOf(response);
  fountain.push();
  expect((await events.next()).value).toEqual({ event: 'next', id: '1', data: '{"data":{"again":{"n":1}}}' });
  await events.return(undefined);
});

it('a query by event stream is one event and the end', async () => {
  const { url } = await startSample();
  const events = eventsOf(await open(url, '{ hello }'));
  expect((await events.next()).value).toEqual({ event: 'next', id: null, data: '{"data":{"hello":"hello world"}}' });
  expect((await events.next()).value).toEqual({ event: 'complete', id: null, data: '' });
  expect((await events.next()).done).toBe(true);
});

it.each([
  ['without `after`', 'subscription { ticks { n } }'],
  ['with the `after` it began with', 'subscription { ticks(after: "0") { n } }'],
])('a browser that reconnects %s goes on after the last event it saw', async (_, query) => {
  const { url, fountain } = await startSample();
  for (let i = 0; i < 5; i += 1) fountain.push();
  const events = eventsOf(await open(url, query, { 'last-event-id': '3' }));
  expect((await events.next()).value).toMatchObject({ id: '4' });
  expect((await events.next()).value).toMatchObject({ id: '5' });
  await events.return(undefined);
});

it('a Last-Event-ID is a value, never a piece of the document', async () => {
  const { url, fountain } = await startSample();
  fountain.push();
  const events = eventsOf(await open(url, 'subscription { ticks { n } }', { 'last-event-id': '0") { text } } #' }));
  fountain.push();
  await fountain.untilOpen(1);
  await events.return(undefined);
});

it('a subscription that can not be resumed ignores Last-Event-ID', async () => {
  const { url, fountain } = await startSample();
  const events = eventsOf(await open(url, 'subscription { silence { n } }', { 'last-event-id': '3' }));
  const next = events.next();
  await fountain.untilOpen(1);
  fountain.push();
  expect((await next).value).toMatchObject({ id: '1' });
  await events.return(undefined);
});

it('an operation that is refused gets a status, so that a browser does not ask again for ever', async () => {
  const { url } = await startSample();
  const refused = await open(url, 'subscription { tocks { n } }');
  expect(refused.status).toBe(400);
  expect(refused.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect((await refused.json()) as unknown).toMatchObject({
    errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
  });
});

it('a source that breaks ends the stream with a masked error', async () => {
  const { url } = await startSample();
  const events = eventsOf(await open(url, 'subscription { breaks { text } }'));
  expect((await events.next()).value).toMatchObject({ id: '1' });
  expect(JSON.parse((await events.next()).value.data)).toMatchObject({
    errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
  });
  expect((await events.next()).value).toMatchObject({ event: 'complete' });
});

it('a reader that goes away lets its subscription go, without another event', async () => {
  const { url, fountain } = await startSample();
  const leaving = new AbortController();
  await fetch(`${url}/graphql?query=${encodeURIComponent('subscription { silence { n } }')}`, {
    headers: stream,
    signal: leaving.signal,
  });
  await fountain.untilOpen(1);
  leaving.abort();
  await fountain.untilOpen(0);
});

it('a quiet stream is kept open by comments', async () => {
  const { url } = await startSample({ socketLimits: { keepAliveMs: 20 } });
  const response = await open(url, 'subscription { silence { n } }');
  const reader = response.body?.getReader();
  let text = '';
  while (text.length < 9) text += new TextDecoder().decode((await reader?.read())?.value);
  expect(text).toMatch(/^(:\n\n)+$/);
  await reader?.cancel();
});
