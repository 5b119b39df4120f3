import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { ConnectionSettings } from '../../src/store/connection.ts';

/** A migrated, empty database that no other test sees. */
export type TestDatabase = {
  readonly connection: ConnectionSettings;
  /** Drops it, with the connections that are still open. */
  readonly drop: () => Promise<void>;
};

/** Makes a database of one's own, in about 30 ms. For `beforeAll`; drop it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = inject('postgres');
  const database = `test_${randomBytes(6).toString('hex')}`;
  await administrate(template, `create database ${database} template ${template.database} strategy file_copy`);
  return {
    connection: { ...template, database },
    drop: () => administrate(template, `drop database if exists ${database} with (force)`),
  };
}

/** Makes a database of one's own without any table, in about 30 ms. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const template = inject('postgres');
  const database = `test_${randomBytes(6).toString('hex')}`;
  await administrate(template, `create database ${database} template template0 strategy file_copy`);
  return {
    connection: { ...template, database },
    drop: () => administrate(template, `drop database if exists ${database} with (force)`),
  };
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
