import pg from 'pg';
import type { ConnectionSettings } from './connection.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';

/** Where this process' database is, and how to let go of it. */
export type Store = {
  readonly settings: ConnectionSettings;
  readonly kind: 'embedded' | 'external';
  readonly stop: () => Promise<void>;
};

/** Thrown when a given database can't be used: the sentence says why and what to do, without the password. */
class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
}

/** Uses the given database, or starts the embedded one in `dataDir`. Throws DatabaseUnavailableError or DataDirectoryError. */
export async function openStore(options: {
  readonly external: ConnectionSettings | null;
  readonly dataDir: string;
  /** Told the postmaster of an embedded Postgres, now and after it was restarted. */
  readonly onPostmaster: (pid: number) => void;
  readonly onProblem: (sentence: string) => void;
}): Promise<Store> {
  if (options.external) {
    await checkDatabase(options.external);
    return { settings: options.external, kind: 'external', stop: async () => {} };
  }
  const postgres = await startEmbeddedPostgres({
    dataDir: options.dataDir,
    onProblem: (sentence) => {
      options.onProblem(sentence);
      options.onPostmaster(postgres.postmasterPid);
    },
  });
  options.onPostmaster(postgres.postmasterPid);
  return { settings: postgres.connection, kind: 'embedded', stop: postgres.stop };
}

/** Penstock needs Postgres 15 or newer. */
const oldestVersion = 150_000;

async function checkDatabase(settings: ConnectionSettings): Promise<void> {
  const place = `${settings.host}:${settings.port}/${settings.database} (user ${settings.user})`;
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number; text: string }>(
      `select current_setting('server_version_num')::int as version, current_setting('server_version') as text`,
    );
    const found = rows[0];
    if (found && found.version < oldestVersion) {
      throw new DatabaseUnavailableError(
        `The database ${place} is Postgres ${found.text}. Penstock needs 15 or newer.`,
      );
    }
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) throw error;
    const why =
      error instanceof AggregateError
        ? error.errors.map(String).join('; ')
        : error instanceof Error
          ? error.message
          : String(error);
    throw new DatabaseUnavailableError(
      `The database ${place} can't be used: ${why}\nStart it or correct --database-url; without that flag Penstock starts a Postgres of its own.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => {});
  }
}
