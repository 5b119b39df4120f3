import { expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';

test.each(['postgres://%zz@host/x', 'postgres://host:99999/x', 'postgres://host?port=none', 'http://host/x', 'host'])(
  'the database URL %s is refused with an example, and not repeated',
  (databaseUrl) => {
    expect(() => readConfig('.', { databaseUrl }, {})).toThrow(
      /^--database-url must look like postgres:\/\/user:password@host:5432\/database, .*not "…"\.$/,
    );
  },
);

test('special characters of a password are taken apart from the URL', () => {
  const databaseUrl = 'postgres://ada:p%40ss%2Fw@[::1]/penstock';
  expect(readConfig('.', { databaseUrl }, {}).databaseUrl).toBe(databaseUrl);
});

test('a time longer than any timer is refused', () => {
  expect(() => readConfig('.', { drain: '2592000' }, { PENSTOCK_GRACE: '1e9' })).toThrow(
    /--drain must be .* from 0 to 86400.*\nPENSTOCK_GRACE must be .* from 0 to 86400/,
  );
});
