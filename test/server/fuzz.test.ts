import fc from 'fast-check';
import { expect, it } from 'vitest';
import { connected, probe } from './support/probe.ts';
import { rawRequest } from './support/raw-request.ts';
import { bearer, startSample } from './support/sample-server.ts';

const statuses = new Set([200, 400, 401, 403, 405, 413, 415, 421, 429]);
/** Nothing of how we are built may stand in an answer. */
const insides = /node_modules|\.[jt]s:\d|\n\s+at |select .+ from|\/work\/|\/home\/|hunter2/i;

const oneOf = (...values: readonly string[]) => fc.constantFrom(...values);
const documents = fc.oneof(
  oneOf(
    '{ hello }',
    '{ fails }',
    'mutation { bump }',
    '{ __schema { types { name } } }',
    'query($json: JSON) { echo(json: $json) }',
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .array(oneOf('{', '}', '(', ')', 'query', 'hello', '...', 'on', '$a', ':', '"', '@skip', '#', '\\', '\u0000'), {
      maxLength: 60,
    })
    .map((tokens) => tokens.join(' ')),
);
const bodies = fc.oneof(
  fc
    .record({ query: documents, variables: fc.jsonValue(), operationName: fc.jsonValue() }, { requiredKeys: [] })
    .map((body) => JSON.stringify(body)),
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 300 }),
);

it('whatever is sent by HTTP, the answer is well-formed JSON with a status we mean, and shows nothing of our insides', {
  timeout: 60_000,
}, async () => {
  const { server, bumps } = await startSample({ deadlineMs: 1_000 });
  const host = `127.0.0.1:${server.port}`;
  const headers = fc.record({
    host: fc.oneof({ arbitrary: fc.constant(host), weight: 8 }, fc.constant('attacker.example')),
    authorization: fc.oneof(
      { arbitrary: fc.constant(bearer.authorization), weight: 8 },
      oneOf('Bearer x', 'Basic x', ''),
    ),
    accept: oneOf(
      '*/*',
      'application/json',
      'application/graphql-response+json',
      'text/html',
      'image/png;q=0.1',
      ';;,',
      'multipart/mixed',
    ),
    'content-type': fc.oneof(
      { arbitrary: fc.constant('application/json'), weight: 8 },
      oneOf('text/plain', 'application/graphql', ';', 'application/json; charset=x'),
    ),
  });
  const methods = oneOf('POST', 'POST', 'POST', 'GET', 'PUT', 'OPTIONS');
  await fc.assert(
    fc.asyncProperty(methods, headers, bodies, async (method, headers, body) => {
      const search =
        method === 'GET' ? `?${new URLSearchParams({ query: body.slice(0, 500), variables: body.slice(0, 100) })}` : '';
      const answer = await rawRequest(server, {
        method,
        path: `/graphql${search}`,
        headers,
        ...(method === 'GET' ? {} : { body }),
      });
      expect(statuses).toContain(answer.status);
      expect(answer.body).not.toMatch(insides);
      JSON.parse(unchunked(answer.headers['transfer-encoding'], answer.body));
      if (method !== 'POST') expect(bumps).toBe(0);
    }),
    { numRuns: 400 },
  );
});

it('whatever one WebSocket says, another is served on', { timeout: 60_000 }, async () => {
  const { wsUrl, log } = await startSample({ deadlineMs: 1_000 });
  const other = await connected(wsUrl);
  const messages = fc.oneof(
    bodies,
    fc
      .record({
        id: fc.oneof(fc.string(), fc.jsonValue()),
        type: oneOf('subscribe', 'complete', 'next', 'ping', 'pong', 'connection_init', 'connection_ack', 'error'),
        payload: fc.oneof(fc.record({ query: documents, variables: fc.jsonValue() }), fc.jsonValue()),
      })
      .map((message) => JSON.stringify(message)),
    fc.uint8Array({ maxLength: 200 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(messages, { minLength: 1, maxLength: 10 }), async (introduces, said) => {
      const client = introduces ? await connected(wsUrl) : await probe(wsUrl);
      for (const message of said) client.socket.send(message);
      other.send({ type: 'ping', payload: { n: said.length } });
      expect(await other.next()).toEqual({ type: 'pong', payload: { n: said.length } });
      client.socket.terminate();
    }),
    { numRuns: 150 },
  );
  // Every mistake of a client is foreseen: none of them is an error of ours.
  expect(log.filter((line) => Number(line.level) >= 50 && !JSON.stringify(line).includes('hunter2'))).toEqual([]);
});

function unchunked(encoding: string | undefined, body: string): string {
  if (encoding !== 'chunked') return body;
  return body
    .split('\r\n')
    .filter((_, index) => index % 2 === 1)
    .join('');
}
