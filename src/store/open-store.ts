import type { ConnectionSettings } from './connection.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { patientClient } from './postgres-client.ts';

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

/** What a database says about itself before anything is made there. */
type Found = {
  readonly version: number;
  readonly versionText: string;
  readonly encoding: string;
  /** Whether somebody has migrated it before: us, or another program. */
  readonly migrated: boolean;
  readonly mayCreate: boolean;
  /** The first few tables in it that belong to no extension. */
  readonly tables: readonly string[];
};

const whatIsThere = `
  select current_setting('server_version_num')::int as version, current_setting('server_version') as "versionText",
    pg_encoding_to_char(encoding) as encoding, to_regclass('_prisma_migrations') is not null as migrated,
    coalesce(has_schema_privilege(current_schema(), 'create'), false) as "mayCreate",
    array(
      select c.relname::text from pg_class c
      where c.relnamespace = to_regnamespace(quote_ident(current_schema())) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and not exists (
          select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
        )
      order by 1 limit 4
    ) as tables
  from pg_database where datname = current_database()`;

/** Why a database can't be Penstock's, as the end of a sentence with what to do; null when it can. */
function whyNot(found: Found, { user, database }: ConnectionSettings): string | null {
  if (found.version < oldestVersion) return `is Postgres ${found.versionText}. Penstock needs 15 or newer.`;
  if (found.encoding !== 'UTF8')
    return `keeps text as ${found.encoding}. Penstock needs UTF8: create one with "create database … encoding 'UTF8' template template0".`;
  if (found.migrated) return null;
  if (found.tables.length > 0)
    return `holds tables that are not Penstock's (${found.tables.slice(0, 3).join(', ')}${found.tables.length > 3 ? ', …' : ''}). Nothing was touched. Name an empty database.`;
  if (!found.mayCreate)
    return `lets this user make no tables. Make it the owner: alter database "${database}" owner to "${user}".`;
  return null;
}

async function checkDatabase(settings: ConnectionSettings): Promise<void> {
  const place = `${settings.host}:${settings.port}/${settings.database} (user ${settings.user})`;
  const Client = patientClient({ connectMs: 10_000, answerMs: 10_000 });
  const client = new Client(settings);
  try {
    await client.connect();
    const { rows } = await client.query<Found>(whatIsThere);
    const why = rows[0] && whyNot(rows[0], settings);
    if (why) throw new DatabaseUnavailableError(`The database ${place} ${why}`);
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
