import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import type { ConnectionSettings } from './connection.ts';
import { MigrationError } from './migration-error.ts';
import { ordinaryPatience, patientClient } from './postgres-client.ts';
import { hasSqlFunctions, installSqlFunctions, readSqlFunctions } from './sql-functions.ts';

const ourMigrations = join(import.meta.dirname, '../../prisma/migrations');

/** One folder of prisma/migrations. */
type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

/** A row of `_prisma_migrations` that was not rolled back. */
type Applied = { readonly name: string; readonly checksum: string; readonly finished: boolean };

/** Brings the database to this program: its schema (prisma/migrations), then its functions (prisma/functions). Throws MigrationError. */
export async function prepareDatabase(
  connection: ConnectionSettings,
): Promise<{ readonly applied: readonly string[] }> {
  const migrated = await migrate(connection);
  const functions = readSqlFunctions();
  const client = await connect(connection);
  try {
    if (await hasSqlFunctions(client, functions)) return migrated;
    await client.query('select pg_advisory_lock($1)', [prismaLock]);
    if (!(await hasSqlFunctions(client, functions))) await installSqlFunctions(client, functions);
    return migrated;
  } finally {
    await client.end(); // The lock goes with the connection.
  }
}

async function connect(connection: ConnectionSettings): Promise<pg.Client> {
  // A migration may take long, and so may the wait for another process that is at it.
  const Client = patientClient({ ...ordinaryPatience, answerMs: 3_600_000 });
  const client = new Client({ ...connection, application_name: 'penstock-migrate' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/**
 * Brings the database to the schema of this program: applies what is missing of prisma/migrations, in order, each in one
 * transaction together with its row in `_prisma_migrations`. Names what it applied. Several processes may do it at once.
 * Throws MigrationError when the database is newer than the program, a migration was edited later, or one fails.
 *
 * The table and its rows are Prisma's, so its tools can read on. Its engine does not do the applying: it records a migration
 * outside of the migration's transaction, and a server killed in between would never start again without Prisma's CLI.
 */
export async function migrate(
  connection: ConnectionSettings,
  folder: string = ourMigrations,
): Promise<{ readonly applied: readonly string[] }> {
  const migrations = readMigrations(folder);
  const client = await connect(connection);
  try {
    // Most starts find nothing to do, and need not wait for one that does.
    if (pending(migrations, await readApplied(client)).length === 0) return { applied: [] };
    await client.query('select pg_advisory_lock($1)', [prismaLock]);
    const todo = pending(migrations, await readApplied(client));
    for (const migration of todo) await apply(client, migration);
    return { applied: todo.map(({ name }) => name) };
  } finally {
    await client.end(); // The lock goes with the connection.
  }
}

/** The key that `prisma migrate` locks, so that it and we never migrate at once. */
const prismaLock = 72707369;

function readMigrations(folder: string): readonly Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readApplied(client: pg.Client): Promise<readonly Applied[]> {
  const { rows } = await client.query(`select to_regclass('_prisma_migrations') is null as missing`);
  if (rows[0].missing) return [];
  const applied = await client.query<Applied>(
    `select migration_name as name, checksum, finished_at is not null as finished
     from _prisma_migrations where rolled_back_at is null`,
  );
  return applied.rows;
}

/** What is still to be applied, in order. Throws MigrationError when database and folder contradict each other. */
function pending(migrations: readonly Migration[], applied: readonly Applied[]): readonly Migration[] {
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]));
  if (applied[0] && !applied.some(({ name }) => known.has(name)))
    throw new MigrationError('another_program', applied[0].name);
  for (const { name, checksum, finished } of applied) {
    if (!known.has(name)) throw new MigrationError('database_is_newer', name);
    if (!finished) throw new MigrationError('left_unfinished', name);
    if (known.get(name) !== checksum) throw new MigrationError('edited_after_applying', name);
  }
  const done = new Set(applied.map(({ name }) => name));
  return migrations.filter(({ name }) => !done.has(name));
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(createPrismaTable);
    // One query message: Postgres itself finds where statements end, also around function bodies.
    await client.query(sql);
    await client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       values (gen_random_uuid(), $1, $2, now(), clock_timestamp(), 1)`,
      [checksum, name],
    );
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback').catch(() => {});
    throw new MigrationError('failed', name, cause);
  }
}

const createPrismaTable = `
  create table if not exists _prisma_migrations (
    id varchar(36) primary key not null,
    checksum varchar(64) not null,
    finished_at timestamptz,
    migration_name varchar(255) not null,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz not null default now(),
    applied_steps_count integer not null default 0
  )`;
