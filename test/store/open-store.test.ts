import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepareDatabase } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open-store.ts';
import { ordinaryPatience, patientClient } from '../../src/store/postgres-client.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/postgres.ts';

// Somebody names a database of their own with --database-url.

let database: TestDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

test("an empty database is taken, and so is one that is Penstock's already", async () => {
  await open();
  await prepareDatabase(database.connection);
  await open();
});

test("an extension with a table of its own does not make a database another program's", async () => {
  // As PostGIS does with spatial_ref_sys.
  await ask(`create extension tablefunc; create table spatial_ref_sys (srid int);
    alter extension tablefunc add table spatial_ref_sys`);
  await open();
});

test('the password reaches the connections of the pool, which hides it', () => {
  const Client = patientClient(ordinaryPatience);
  const { options } = new pg.Pool({ Client, password: 'sesame' });
  expect(new Client(options)).toMatchObject({ password: 'sesame' });
});

describe('is told, before anything is made there, what to do about', () => {
  test('tables of another program', async () => {
    await ask('create table people (id int); create view adults as select * from people');
    await expectRefusal(/adults, people.*Nothing was touched.*empty database/);
    expect(await ask(`select count(*)::int as n from pg_class where relname like '%pipeline%'`)).toEqual([{ n: 0 }]);
  });

  test('a user who may not make tables', async () => {
    const role = `guest_${database.connection.database}`;
    await ask(`create role ${role} login`);
    await expectRefusal(new RegExp(`alter database "${database.connection.database}" owner to "${role}"`), role);
    await ask(`drop role ${role}`);
  });

  test('an encoding that does not hold every character', async () => {
    const name = `${database.connection.database}_ascii`;
    await ask(`create database ${name} encoding 'SQL_ASCII' template template0 locale_provider libc locale 'C'`);
    const other = { ...database.connection, database: name };
    await expect(openStore({ ...silent, external: other })).rejects.toThrow(/SQL_ASCII.*UTF8/);
    await ask(`drop database ${name}`);
  });
});

const silent = { dataDir: '/nowhere', onPostmaster: () => {}, onProblem: () => {} };

async function open(user = database.connection.user): Promise<void> {
  const store = await openStore({ ...silent, external: { ...database.connection, user } });
  await store.stop();
}

async function expectRefusal(says: RegExp, user?: string): Promise<void> {
  await expect(open(user)).rejects.toMatchObject({
    name: 'DatabaseUnavailableError',
    message: expect.stringMatching(says),
  });
}

async function ask(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(database.connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
