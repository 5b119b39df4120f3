import { expect, it } from 'vitest';
import { rawRequest, upgradeHeaders } from './support/raw-request.ts';
import { bearer, post, startSample } from './support/sample-server.ts';

const doors = [
  ['a query', '/graphql?query={hello}', bearer],
  ['a WebSocket', '/graphql', upgradeHeaders],
  ['a health check', '/health/live', {}],
  ['GraphiQL', '/graphiql', {}],
  ['the login', '/login?code=x', {}],
] as const;

const strangers = ['attacker.example', '127.0.0.1.attacker.example', 'localhost', '127.0.0.1:1', ''];

it.each(doors)('%s is answered 421 when the request calls us by a name that is not ours', async (_, path, headers) => {
  const { server } = await startSample();
  for (const host of strangers) {
    const answer = await rawRequest(server, { path, headers: { ...headers, host } });
    expect([host, answer.status]).toEqual([host, 421]);
    expect(JSON.parse(answer.body).errors[0].message).toMatch(/Host/);
  }
});

it('a server is known as 127.0.0.1, localhost and [::1], with its port, and by configured names', async () => {
  const { server } = await startSample({ allowedHosts: ['Penstock.Example', 'other.example:8443'] });
  const { port } = server;
  const names = [
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    `[::1]:${port}`,
    'penstock.example',
    `penstock.example:${port}`,
    'other.example:8443',
  ];
  for (const host of [...names, `LOCALHOST:${port}`]) {
    const { status } = await rawRequest(server, { path: '/health/live', headers: { host } });
    expect([host, status]).toEqual([host, 200]);
  }
  expect(await rawRequest(server, { path: '/health/live', headers: { host: 'other.example' } })).toMatchObject({
    status: 421,
  });
});

it('a request target that is a whole URL does not get around the Host list', async () => {
  const { server } = await startSample();
  const headers = { ...bearer, host: 'attacker.example' };
  const path = `http://127.0.0.1:${server.port}/graphql?query={hello}`;
  expect(await rawRequest(server, { path, headers })).toMatchObject({ status: 421 });
});

const evilOrigins = (port: number) => [
  'http://attacker.example',
  'null',
  '',
  `http://127.0.0.1:${port}.attacker.example`,
  `http://attacker.example/http://127.0.0.1:${port}`,
  `http://127.0.0.1`,
  `http://127.0.0.1:${port + 1}`,
  `https://127.0.0.1:${port}`,
  `http://127.0.0.1:${port}/`,
  `http://127.0.0.1:${port}, http://attacker.example`,
];

it('a WebSocket from a page of another origin gets no connection: evil, null, prefix, suffix, other port, other scheme', async () => {
  const { server } = await startSample();
  for (const origin of evilOrigins(server.port)) {
    const headers = { ...upgradeHeaders, host: `127.0.0.1:${server.port}`, origin };
    expect([origin, (await rawRequest(server, { path: '/graphql', headers })).status]).toEqual([origin, 403]);
  }
  expect(server.openSockets()).toBe(0);
});

it('a WebSocket from our own page, an allowed page, or no page is connected', async () => {
  const { server } = await startSample({ allowedOrigins: ['https://dashboard.example'] });
  const host = `127.0.0.1:${server.port}`;
  for (const origin of [{ origin: `http://${host}` }, { origin: 'https://dashboard.example' }, {}]) {
    expect(
      await rawRequest(server, { path: '/graphql', headers: { ...upgradeHeaders, host, ...origin } }),
    ).toMatchObject({ status: 101 });
  }
});

const contentTypes = [
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'text/plain',
  'application/graphql',
  '',
];
const body = JSON.stringify({ query: 'mutation { bump }' });
const query = encodeURIComponent('mutation { bump }');

it.each(contentTypes)('no other page can cause a mutation, with content-type "%s", by POST or GET', async (type) => {
  const sample = await startSample();
  const session = sample.access.redeemLoginCode(sample.access.newLoginCode());
  const cookie = `penstock_session_${sample.server.port}=${session}`;
  for (const origin of evilOrigins(sample.server.port)) {
    for (const credentials of [{}, { cookie }, bearer]) {
      const headers = {
        host: `127.0.0.1:${sample.server.port}`,
        ...credentials,
        origin,
        ...(type && { 'content-type': type }),
      };
      const answers = [
        await rawRequest(sample.server, { method: 'POST', path: '/graphql', headers, body }),
        await rawRequest(sample.server, { method: 'POST', path: '/graphql', headers, body: `query=${query}` }),
        await rawRequest(sample.server, { path: `/graphql?query=${query}`, headers }),
      ];
      for (const { status } of answers) expect(status).toBe(403);
    }
  }
  expect(sample.bumps).toBe(0);
});

it.each(contentTypes.filter((type) => type !== 'application/json'))(
  'a body of type "%s" is never read as an operation, whoever sends it',
  async (type) => {
    const sample = await startSample();
    const headers = { host: `127.0.0.1:${sample.server.port}`, ...bearer, ...(type && { 'content-type': type }) };
    for (const sent of [body, `query=${query}`, 'mutation { bump }']) {
      const answer = await rawRequest(sample.server, { method: 'POST', path: '/graphql', headers, body: sent });
      expect(answer).toMatchObject({ status: 415 });
    }
    expect(sample.bumps).toBe(0);
  },
);

it('an answer never permits another origin to read it, preflight included', async () => {
  const { url } = await startSample({ allowedOrigins: ['https://dashboard.example'] });
  const origin = 'https://dashboard.example';
  const preflight = await fetch(`${url}/graphql`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  expect(preflight.status).toBe(405);
  const answer = await post(url, { query: '{ hello }' }, { ...bearer, origin });
  expect(answer.status).toBe(200);
  for (const { headers } of [preflight, answer]) {
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  }
});
