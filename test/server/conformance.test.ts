import { serverAudits } from 'graphql-http';
import { expect, it } from 'vitest';
import { bearer, startSample } from './support/sample-server.ts';

const audits = serverAudits({ url: 'http://unused.example/graphql' });

it('there are 61 audits', () => {
  expect(audits).toHaveLength(61);
});

it.each(audits.map((audit, index) => [audit.id, audit.name, index] as const))(
  'GraphQL over HTTP %s: %s',
  async (_id, _name, index) => {
    const { url } = await startSample();
    const fetchFn = (input: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', bearer.authorization);
      return fetch(input, { ...init, headers });
    };
    const audit = serverAudits({ url: `${url}/graphql`, fetchFn })[index];
    const result = await audit?.fn();
    expect(result).toMatchObject({ status: 'ok' });
  },
);
