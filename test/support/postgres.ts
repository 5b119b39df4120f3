import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { inject } from 'vitest';
import type { ConnectionSettings } from '../../src/store/connection.ts';

/** A database that no other test sees. */
export type TestDatabase = {
  readonly connection: ConnectionSettings;
  /** Drops it, with the connections that are still open. */
  readonly drop: () => Promise<void>;
};

/** Makes a migrated database without rows, in about 20 ms; the first of a run starts Postgres. Drop it when you are done. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = await knock();
  return copyDatabase(template, template.database);
}

/** Makes a database without any table. Drop it when you are done. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return copyDatabase(await knock(), 'template0');
}

async function copyDatabase(template: ConnectionSettings, original: string): Promise<TestDatabase> {
  const database = `test_${randomBytes(6).toString('hex')}`;
  // Measured: 17 ms, against 38 ms with wal_log.
  await administrate(template, `create database ${database} template ${original} strategy file_copy`);
  return {
    connection: { ...template, database },
    drop: () => administrate(template, `drop database if exists ${database} with (force)`),
  };
}

async function knock(): Promise<ConnectionSettings> {
  const answer: { template: ConnectionSettings } | { error: string } = JSON.parse(
    await text(createConnection(inject('templateDoor'))),
  );
  if ('error' in answer) throw new Error(`The Postgres of this test run did not start. ${answer.error}`);
  return answer.template;
}

async function administrate(template: ConnectionSettings, statement: string): Promise<void> {
  const client = new pg.Client({ ...template, database: 'postgres' });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
