import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { ConnectionSettings } from './connection.ts';
import { openSchemaEngine } from './schema-engine.ts';

const prismaFolder = join(import.meta.dirname, '../../prisma');

/** One folder of prisma/migrations. */
type Migration = { readonly name: string; readonly sql: string };

/** A row of `_prisma_migrations` that was not rolled back. */
type AppliedMigration = { readonly name: string; readonly checksum: string; readonly finished: boolean };

/** Thrown when a database can't be brought to this program's schema. The message says why and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly problem: 'database_is_newer' | 'migration_was_edited' | 'migration_failed';
  readonly migration: string;

  constructor(problem: MigrationError['problem'], migration: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.problem = problem;
    this.migration = migration;
  }
}

/**
 * Brings the database to the schema of this program: applies what is missing of prisma/migrations, in order, and remembers
 * it in `_prisma_migrations`, as `prisma migrate deploy` does. Several processes may do it at once. Names what it applied.
 * Throws MigrationError when the database is newer than the program, a migration was edited later, or one fails.
 */
export async function migrate(
  connection: ConnectionSettings,
  migrations: string = join(prismaFolder, 'migrations'),
): Promise<{ readonly applied: readonly string[] }> {
  const known = readMigrations(migrations);
  const client = new pg.Client({ ...connection, application_name: 'penstock-migrate' });
  client.on('error', () => {});
  await client.connect();
  try {
    // Most starts find nothing to do: they neither wait for the lock nor load the engine.
    if (pending(known, await readApplied(client)).length === 0) return { applied: [] };
    await client.query('select pg_advisory_lock($1)', [advisoryLock]);
    if (pending(known, await readApplied(client)).length === 0) return { applied: [] };
    return { applied: await apply(connection, migrations, known) };
  } finally {
    await client.end(); // With the connection goes the lock.
  }
}

/** "penstock", as far as it goes into 31 bits. Not the key that Prisma's engine itself takes (72707369). */
const advisoryLock = 0x70656e73;

/**
 * The statements that would bring the migrated database to prisma/schema.prisma; empty when the two agree.
 * For a test: whoever changes the schema has to write the migration too.
 */
export async function schemaDrift(connection: ConnectionSettings): Promise<string> {
  const engine = await openSchemaEngine(connection);
  try {
    return await engine.diffTo(readFileSync(join(prismaFolder, 'schema.prisma'), 'utf8'));
  } finally {
    await engine.close();
  }
}

function readMigrations(folder: string): readonly Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, sql: readFileSync(join(folder, name, 'migration.sql'), 'utf8') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function readApplied(client: pg.Client): Promise<readonly AppliedMigration[]> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('_prisma_migrations') is not null as exists`,
  );
  if (!rows[0]?.exists) return [];
  const applied = await client.query<AppliedMigration>(
    `select migration_name as name, checksum, finished_at is not null as finished
     from _prisma_migrations where rolled_back_at is null order by started_at`,
  );
  return applied.rows;
}

/** The migrations that are still to be applied. */
function pending(known: readonly Migration[], applied: readonly AppliedMigration[]): readonly Migration[] {
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  for (const { name, checksum, finished } of applied) {
    const migration = byName.get(name);
    if (migration === undefined) {
      throw new MigrationError(
        'database_is_newer',
        name,
        `The database was migrated by a newer Penstock (it has the migration ${name}, which this one does not know). Run that version, or restore a backup made before it.`,
      );
    }
    if (!finished) continue; // The engine looks at this one, and says what it can say.
    if (checksum !== createHash('sha256').update(migration.sql).digest('hex')) {
      throw new MigrationError(
        'migration_was_edited',
        name,
        `The migration ${name} was edited after the database had applied it. Put prisma/migrations/${name}/migration.sql back as it was, and write the change as a new migration.`,
      );
    }
  }
  const done = new Set(applied.filter(({ finished }) => finished).map(({ name }) => name));
  return known.filter(({ name }) => !done.has(name));
}

async function apply(
  connection: ConnectionSettings,
  folder: string,
  known: readonly Migration[],
): Promise<readonly string[]> {
  const engine = await openSchemaEngine(connection);
  try {
    return await engine.applyMigrations(folder, known);
  } finally {
    await engine.close();
  }
}
