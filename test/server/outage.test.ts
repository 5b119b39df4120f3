import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { GraphQLError } from 'graphql';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { isOutage } from '../../src/server/outage.ts';
import { presentErrors } from '../../src/server/present-errors.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createTestDatabase } from '../support/postgres.ts';

const failureOf = (asking: Promise<unknown>) =>
  asking.then(
    () => {
      throw new Error('it was answered');
    },
    (error: unknown) => error,
  );

it('a database that nobody can reach is an outage, whoever asks it', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const { connection, drop } = await createTestDatabase();
  const database = openDatabase({ ...connection, host: '127.0.0.1', port });
  expect(isOutage(await failureOf(database.pool.query('select 1')))).toBe(true);
  expect(isOutage(await failureOf(database.prisma.pipeline.count()))).toBe(true);
  await database.close();
  await drop();
});

it('so is one that ends the session in the middle, and no other error of a database is', async () => {
  const { connection, drop } = await createTestDatabase();
  const database = openDatabase(connection);
  const end = 'select pg_terminate_backend(pg_backend_pid())';
  expect(isOutage(await failureOf(database.pool.query(end)))).toBe(true);

  expect(isOutage(await failureOf(database.prisma.$queryRawUnsafe(end)))).toBe(true);
  expect(isOutage(await failureOf(database.pool.query('select nothing_like_it')))).toBe(false);
  expect(isOutage(await failureOf(database.prisma.$queryRawUnsafe('select nothing_like_it')))).toBe(false);
  await database.close();
  await drop();
});

it('whoever asks meanwhile is told so, and nothing else', () => {
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
  const cause = Object.assign(new Error('connect ECONNREFUSED /var/run/db/.s.PGSQL.5432'), { code: 'ECONNREFUSED' });
  const [told] = presentErrors([new GraphQLError(cause.message, { originalError: cause })], {
    request: { requestId: 'r1' } as never,
    operation: { operationName: null, documentHash: null },
    mayIntrospect: true,
    logger,
  });
  expect(told).toMatchObject({
    message: expect.stringMatching(/^The database can not be reached/),
    extensions: { code: 'UNAVAILABLE' },
  });
  expect(JSON.stringify(told)).not.toContain('/var/run');
  expect(lines.join()).toContain('ECONNREFUSED');
});
