import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type pg from 'pg';

const ourFunctions = join(import.meta.dirname, '../../prisma/functions');

/** The functions of this program: one file each, named as the function. */
export type SqlFunctions = {
  readonly names: readonly string[];
  readonly sql: string;
  readonly checksum: string;
};

/** Reads prisma/functions. */
export function readSqlFunctions(folder: string = ourFunctions): SqlFunctions {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  const sql = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  return {
    names: files.map((file) => basename(file, '.sql')),
    sql,
    checksum: createHash('sha256').update(sql).digest('hex'),
  };
}

/** Whether the database has exactly these functions. */
export async function hasSqlFunctions(client: pg.ClientBase, { checksum }: SqlFunctions): Promise<boolean> {
  const table = await client.query(`select to_regclass('sql_functions') is null as missing`);
  if (table.rows[0].missing) return false;
  const found = await client.query('select 1 from sql_functions where checksum = $1', [checksum]);
  return found.rowCount === 1;
}

/**
 * Replaces the database's functions by these, in one transaction; whatever it had under their names goes, whatever its arguments.
 * The caller holds the migration lock.
 */
export async function installSqlFunctions(client: pg.ClientBase, functions: SqlFunctions): Promise<void> {
  await client.query('begin');
  try {
    const old = await client.query<{ signature: string }>(
      `select oid::regprocedure::text as signature from pg_proc
        where proname = any($1) and pronamespace = current_schema()::regnamespace`,
      [functions.names],
    );
    for (const { signature } of old.rows) await client.query(`drop function ${signature}`);
    await client.query(functions.sql);
    await client.query('delete from sql_functions');
    await client.query('insert into sql_functions (checksum) values ($1)', [functions.checksum]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}
