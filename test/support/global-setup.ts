import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { migrate } from '../../src/store/migrate.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The Postgres of this test run; its database is the migrated template, which takes no connections. */
    postgres: ConnectionSettings;
  }
}

const prefix = 'penstock-tests-';

/** Starts one Postgres for the whole run and migrates the template that every test database is copied from. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  removeWhatAbortedRunsLeft();
  const dataDir = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onProblem: (sentence) => console.error(sentence),
    // Nothing here outlives the run, so nothing has to reach the disk.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  await migrate(postgres.connection);
  await closeToConnections(postgres.connection);
  project.provide('postgres', postgres.connection);
  return async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}

/** A database with a connection can't be copied. With connections forbidden, no test waits for another. */
async function closeToConnections(template: ConnectionSettings): Promise<void> {
  const client = new pg.Client({ ...template, database: 'postgres' });
  await client.connect();
  await client.query(`alter database ${client.escapeIdentifier(template.database)} with allow_connections false`);
  await client.end();
}

/** Their Postgres ended with them; their directories are still there. */
function removeWhatAbortedRunsLeft(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (!Number.isNaN(pid) && !lives(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
