import { join } from 'node:path';
import pg from 'pg';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { prepareDatabase } from '../../src/store/migrate.ts';

/** A Postgres whose database is migrated, empty and closed to connections, to be copied by each test file. */
export type TemplateServer = { readonly template: ConnectionSettings; readonly stop: () => Promise<void> };

/** Starts it in a directory that is thrown away afterwards. */
export async function startTemplateServer(home: string): Promise<TemplateServer> {
  const postgres = await startEmbeddedPostgres({
    dataDir: join(home, 'data'),
    onProblem: (sentence) => console.error(sentence),
    // Nothing here outlives the run, so nothing has to reach the disk.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  try {
    await prepareDatabase(postgres.connection);
    await closeToConnections(postgres.connection);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  return { template: postgres.connection, stop: postgres.stop };
}

/** A database with a connection can't be copied. With connections forbidden, no test waits for another. */
async function closeToConnections(template: ConnectionSettings): Promise<void> {
  const client = new pg.Client({ ...template, database: 'postgres' });
  await client.connect();
  await client.query(`alter database ${client.escapeIdentifier(template.database)} with allow_connections false`);
  await client.end();
}
