import { expect, it } from 'vitest';
import { rawRequest } from './support/raw-request.ts';
import { bearer, jsonOf, post, startSample } from './support/sample-server.ts';

it('a body over 256 KB is refused with 413, whether it says its length or not', async () => {
  const { url } = await startSample();
  const body = JSON.stringify({ query: '{ hello }', variables: { name: 'x'.repeat(256 * 1024) } });
  const headers = { ...bearer, 'content-type': 'application/json' };
  const stream = new Blob([body]).stream();
  const chunked = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit;
  for (const answer of [await post(url, body), await fetch(`${url}/graphql`, chunked)]) {
    expect(answer.status).toBe(413);
    expect((await jsonOf(answer)).errors?.[0]?.message).toBeTruthy();
  }
});

it.each([
  ['nothing', ''],
  ['text', 'hello'],
  ['half a document', '{"query": "{ hello }"'],
  ['null', 'null'],
  ['a number', '7'],
  ['a list: operations come one by one', '[{"query":"{ hello }"},{"query":"{ hello }"}]'],
  ['an empty list', '[]'],
  ['no query', '{}'],
  ['a query that is no string', '{"query": {"a": 1}}'],
  ['an empty query', '{"query": ""}'],
  ['variables that are a list', '{"query": "{ hello }", "variables": []}'],
  ['variables that are text', '{"query": "{ hello }", "variables": "{}"}'],
  ['an operation name that is no string', '{"query": "{ hello }", "operationName": 1}'],
  ['extensions that are no object', '{"query": "{ hello }", "extensions": []}'],
  ['a prototype', '{"query": "{ hello }", "__proto__": {"query": "mutation { bump }"}}'],
  ['brackets without end', '['.repeat(200_000)],
  ['objects without end', `{"query": "{ hello }", "variables": ${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`],
])('a body that is %s gets 400 and a sentence', async (_, body) => {
  const { url, contexts } = await startSample();
  const answer = await post(url, body);
  expect(answer.status).toBe(400);
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({ errors: [{ message: expect.stringMatching(/\w+ \w+/) }] });
  expect(text).not.toMatch(/node_modules|\.[jt]s:|JSON at/);
  expect(contexts).toEqual([]);
  // The same mistake from a reader of event streams: a status, so that it gives up.
  expect((await post(url, body, { ...bearer, accept: 'text/event-stream' })).status).toBe(400);
});

it.each([
  ['variables that are no JSON', 'query={hello}&variables={'],
  ['variables that are a list', 'query={hello}&variables=[]'],
  ['no query', ''],
  ['extensions that are no object', 'query={hello}&extensions=7'],
])('a GET with %s gets 400 and a sentence', async (_, search) => {
  const { url } = await startSample();
  const answer = await fetch(`${url}/graphql?${search}`, { headers: bearer });
  expect(answer.status).toBe(400);
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({ errors: [{ message: expect.any(String) }] });
  expect(text).not.toMatch(/node_modules|\.[jt]s:|JSON at/);
});

it.each(['application/json; charset=utf-16', 'application/json; charset=cp037', 'application/jsonp', 'json'])(
  'a body in "%s" is not guessed at',
  async (type) => {
    const { url } = await startSample();
    expect((await post(url, { query: '{ hello }' }, { ...bearer, 'content-type': type })).status).toBe(415);
  },
);

it('a compressed body is refused: it could be a thousand times its size', async () => {
  const { url } = await startSample();
  expect((await post(url, { query: '{ hello }' }, { ...bearer, 'content-encoding': 'gzip' })).status).toBe(415);
});

it.each(['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE'])('%s is no way to speak GraphQL', async (method) => {
  const { server } = await startSample();
  const headers = { ...bearer, host: `127.0.0.1:${server.port}`, 'content-type': 'application/json' };
  expect(await rawRequest(server, { method, path: '/graphql', headers })).toMatchObject({ status: 405 });
});

it('every answer forbids sniffing, framing and storing', async () => {
  const { url } = await startSample();
  for (const answer of [
    await post(url, { query: '{ hello }' }),
    await post(url, {}),
    await fetch(`${url}/graphiql`),
    await fetch(`${url}/x`),
  ]) {
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('x-frame-options')).toBe('DENY');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});
