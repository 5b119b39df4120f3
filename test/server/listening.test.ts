import { expect, it } from 'vitest';
import { ListenError } from '../../src/server/listen-error.ts';
import { startSample } from './support/sample-server.ts';

it('a taken port is explained: which one, and what to do', async () => {
  const { server } = await startSample();
  const error = await startSample({ port: server.port }).catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(ListenError);
  expect(error).toMatchObject({ code: 'EADDRINUSE', port: server.port });
  expect(String(error)).toContain(`Port ${server.port} on 127.0.0.1 is taken`);
  expect(String(error)).toContain('--port 0');
});

it('an address that is not of this machine is explained', async () => {
  await expect(startSample({ host: '203.0.113.1' })).rejects.toThrow('203.0.113.1 is not an address of this machine');
});

it('a server on IPv6 names a URL that works', async () => {
  const { url } = await startSample({ host: '::1' });
  expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect(await fetch(`${url}/health/live`)).toMatchObject({ status: 200 });
});

it('what is not there is said in JSON, with a sentence', async () => {
  const { url } = await startSample();
  for (const path of ['/nothing', '/graphql/', '/graphiql/0000/graphiql.js', '/%00', '/../etc/passwd', '//']) {
    const answer = await fetch(url + path);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect((await answer.json()) as unknown).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  }
  expect(await fetch(`${url}/health/live`, { method: 'POST' })).toMatchObject({ status: 405 });
  expect((await fetch(url, { redirect: 'manual' })).headers.get('location')).toBe('/graphiql');
});
