import { describe, expect, it } from 'vitest';
import { createOpenAccess, createTokenAccess } from '../../src/server/access.ts';
import { probe, subscribe } from './support/probe.ts';
import { bearer, jsonOf, post, type SampleServer, startSample, token } from './support/sample-server.ts';

const me = { query: '{ me }' };

it('the holder of the token is the administrator, on HTTP and on a WebSocket', async () => {
  const { url, wsUrl } = await startSample();
  expect(await jsonOf(await post(url, me))).toEqual({ data: { me: 'admin ADMIN program' } });
  const client = await (await probe(wsUrl)).init();
  client.send(subscribe('1', '{ me }'));
  expect(await client.next()).toMatchObject({ payload: { data: { me: 'admin ADMIN program' } } });
});

it.each([
  ['no credentials', {}],
  ['a wrong token', { authorization: 'Bearer wrong' }],
  ['a token without its scheme', { authorization: token }],
  ['Basic credentials', { authorization: `Basic ${btoa(`admin:${token}`)}` }],
  ['a made-up cookie', { cookie: 'penstock_session_80=9999999999999.x.y' }],
])('a request with %s is nobody: 401, with a sentence', async (_, headers) => {
  const { url, contexts } = await startSample();
  const answer = await post(url, me, headers);
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  const { errors } = await jsonOf(answer);
  expect(errors?.[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' });
  expect(errors?.[0]?.message).toMatch(/Bearer TOKEN/);
  expect(contexts).toEqual([]);
});

it('a token in the URL is worth nothing', async () => {
  const { url } = await startSample();
  expect(await fetch(`${url}/graphql?query={me}&token=${token}`)).toMatchObject({ status: 401 });
});

it('many wrong tokens are told to wait, while the right one still works', async () => {
  const { url, wsUrl } = await startSample({ failuresPerMinute: 5 });
  const statuses: number[] = [];
  for (let i = 0; i < 7; i += 1) statuses.push((await post(url, me, { authorization: `Bearer guess${i}` })).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
  const refused = await post(url, me, { authorization: 'Bearer guess' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await fetch(`${url}/login?code=guess`)).toMatchObject({ status: 429 });
  expect((await post(url, me)).status).toBe(200);
  await (await probe(wsUrl)).init();
});

describe('a browser', () => {
  const login = (sample: SampleServer, code: string, headers = {}) =>
    fetch(`${sample.url}/login?code=${code}`, { redirect: 'manual', headers });
  const signIn = async (sample: SampleServer) => {
    const answer = await login(sample, sample.access.newLoginCode());
    return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  };

  it('signs in with the one-time code, gets a cookie no script can read, and lands on GraphiQL', async () => {
    const sample = await startSample();
    const answer = await login(sample, sample.access.newLoginCode());
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/graphiql');
    expect(answer.headers.get('set-cookie')).toMatch(
      /^penstock_session_\d+=[^;]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Strict$/,
    );
  });

  it('can use a code once, and only a code that was given out', async () => {
    const sample = await startSample();
    const code = sample.access.newLoginCode();
    expect((await login(sample, code)).status).toBe(303);
    expect((await login(sample, code)).status).toBe(401);
    expect((await login(sample, 'guess')).status).toBe(401);
    expect((await login(sample, '')).status).toBe(401);
  });

  it('does not use up its code by a preview of the link', async () => {
    const sample = await startSample();
    const code = sample.access.newLoginCode();
    expect(await fetch(`${sample.url}/login?code=${code}`, { method: 'HEAD' })).toMatchObject({ status: 405 });
    expect((await login(sample, code)).status).toBe(303);
  });

  it('that is signed in may follow the same link again', async () => {
    const sample = await startSample();
    const code = sample.access.newLoginCode();
    const cookie = (await login(sample, code)).headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await login(sample, code, { cookie })).status).toBe(303);
  });

  it('may ask from our own page only', async () => {
    const sample = await startSample();
    const cookie = await signIn(sample);
    const get = (headers: Record<string, string>) =>
      fetch(`${sample.url}/graphql?query={me}`, { headers: { cookie, ...headers } });
    expect(await jsonOf(await post(sample.url, me, { cookie, origin: sample.url }))).toEqual({
      data: { me: 'admin ADMIN browser' },
    });
    expect((await get({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    expect((await get({ origin: sample.url })).status).toBe(200);
    for (const site of ['cross-site', 'same-site', 'none'])
      expect((await get({ 'sec-fetch-site': site })).status).toBe(403);
    expect((await get({})).status).toBe(403);
    expect((await post(sample.url, me, { cookie })).status).toBe(403);
    // An allowed origin, but not the page that got the cookie: localhost and 127.0.0.1 are two hosts.
    expect((await post(sample.url, me, { cookie, origin: sample.url.replace('127.0.0.1', 'localhost') })).status).toBe(
      403,
    );
  });

  it('may open a WebSocket with its cookie from our own page only', async () => {
    const sample = await startSample({ allowedOrigins: ['https://dashboard.example'] });
    const cookie = await signIn(sample);
    const own = await probe(sample.wsUrl, { headers: { cookie, origin: sample.url } });
    own.send({ type: 'connection_init' });
    expect(await own.next()).toEqual({ type: 'connection_ack' });
    own.send(subscribe('1', '{ me }'));
    expect(await own.next()).toMatchObject({ payload: { data: { me: 'admin ADMIN browser' } } });
    for (const headers of [{ cookie }, { cookie, origin: 'https://dashboard.example' }] as Record<string, string>[]) {
      const other = await probe(sample.wsUrl, { headers });
      other.send({ type: 'connection_init' });
      expect(await other.closed).toMatchObject({ code: 4403 });
    }
  });

  it('is sent away from GraphiQL, with a sentence, until it has signed in', async () => {
    const sample = await startSample();
    expect(await fetch(`${sample.url}/graphiql`)).toMatchObject({ status: 401 });
    const page = await fetch(`${sample.url}/graphiql`, { headers: { cookie: await signIn(sample) } });
    expect(page.status).toBe(200);
  });
});

describe('sessions and codes', () => {
  const clock = { now: 1_000_000 };
  const access = (secret = token) => createTokenAccess({ token: secret, now: () => clock.now });
  const session = () => {
    const one = access();
    return one.redeemLoginCode(one.newLoginCode()) ?? '';
  };

  it('a session survives a restart, ends after a week, and ends when the token is replaced', () => {
    const cookie = session();
    expect(access().principalOfSession(cookie)).toEqual({ name: 'admin', role: 'ADMIN' });
    expect(access('another token').principalOfSession(cookie)).toBeNull();
    clock.now += 7 * 24 * 3_600_000;
    expect(access().principalOfSession(cookie)).toBeNull();
  });

  it('a session whose end or signature was altered is none', () => {
    const cookie = session();
    const [end = '', nonce = '', signature = ''] = cookie.split('.');
    const altered = [
      `${Number(end) + 1}.${nonce}.${signature}`,
      `${end}.${nonce}.`,
      `${end}.${nonce}`,
      signature,
      '',
      '..',
      `${end}.${nonce}x.${signature}`,
    ];
    for (const cookie of altered) expect(access().principalOfSession(cookie)).toBeNull();
  });

  it('a code expires after an hour', () => {
    const one = access();
    const code = one.newLoginCode();
    clock.now += 3_600_000;
    expect(one.redeemLoginCode(code)).toBeNull();
  });
});

describe('without authentication', () => {
  it('everybody on this machine is the administrator', async () => {
    const { url, wsUrl } = await startSample({ access: createOpenAccess() });
    expect(await jsonOf(await post(url, me, {}))).toEqual({ data: { me: 'anonymous ADMIN program' } });
    const client = await probe(wsUrl);
    client.send({ type: 'connection_init' });
    expect(await client.next()).toEqual({ type: 'connection_ack' });
    expect(await fetch(`${url}/graphiql`)).toMatchObject({ status: 200 });
  });

  it('pages of other origins are still kept out', async () => {
    const { url, wsUrl } = await startSample({ access: createOpenAccess() });
    expect((await post(url, me, { origin: 'http://attacker.example' })).status).toBe(403);
    await expect(probe(wsUrl, { headers: { origin: 'http://attacker.example' } })).rejects.toThrow('refused 403');
  });

  it.each(['0.0.0.0', '::', '192.168.1.7'])('a server will not listen on %s', async (host) => {
    await expect(startSample({ access: createOpenAccess(), host })).rejects.toMatchObject({
      name: 'ListenError',
      code: 'LOOPBACK_ONLY',
    });
  });
});

it('with tokens, other addresses than loopback are allowed', async () => {
  const { server } = await startSample({ host: '0.0.0.0' });
  expect(await fetch(`http://127.0.0.1:${server.port}/graphql?query={hello}`, { headers: bearer })).toMatchObject({
    status: 200,
  });
});
