import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionSettings } from '../connection.ts';
import type { DataDirectory } from './data-directory.ts';
import { DataDirectoryError } from './data-directory-error.ts';
import type { Launcher } from './postgres-account.ts';
import {
  isReady,
  leftoverPostmaster,
  type PostgresProcess,
  spawnPostgres,
  stopPostmaster,
} from './postgres-process.ts';

/** Everything a postmaster is started with; the same at each restart, so connections find it where it was. */
export type ServerPlan = {
  readonly launcher: Launcher;
  readonly program: string;
  readonly directory: DataDirectory;
  readonly settings: Readonly<Record<string, string>>;
  readonly connection: ConnectionSettings;
  readonly onProblem: (sentence: string) => void;
};

const lookEveryMs = 10;
const occupiedPatienceMs = 20_000;
const recoveryNoticeMs = 10_000;

/**
 * Starts Postgres and waits until it answers, through its crash recovery if there is one to do. A postmaster that an earlier
 * server of ours left running is stopped first. Throws DataDirectoryError with its last words when it ends instead.
 */
export async function startServer(plan: ServerPlan): Promise<PostgresProcess> {
  const { launcher, program, directory, settings, connection } = plan;
  const giveUpAt = performance.now() + occupiedPatienceMs;
  for (;;) {
    const leftover = leftoverPostmaster(directory.cluster);
    if (leftover !== undefined) await stopPostmaster(leftover);
    const server = spawnPostgres(launcher, program, directory.cluster, settings, directory.log);
    try {
      if (await answers(server, directory, connection, plan.onProblem)) return server;
    } catch (error) {
      server.hold();
      await stopPostmaster(server.pid);
      await server.ended;
      throw unusable(directory, error);
    }
    const lastWords = server.lastWords(12);
    if (!occupied.test(lastWords) || performance.now() > giveUpAt) {
      throw refusedToStart(directory, await server.ended, lastWords);
    }
    await delay(50);
  }
}

/**
 * What Postgres says when the cluster is not free yet: backends of a postmaster that was killed take a moment to notice,
 * and a server that was killed while it started Postgres leaves one that is only just coming up.
 */
const occupied = /shared memory block .* is still in use|lock file "postmaster\.pid" already exists/;

async function answers(
  server: PostgresProcess,
  { cluster }: DataDirectory,
  connection: ConnectionSettings,
  onProblem: (sentence: string) => void,
): Promise<boolean> {
  for (let waitedMs = 0; !server.hasEnded(); waitedMs += lookEveryMs) {
    if (isReady(cluster, server.pid) && (await ensureDatabase(connection))) return true;
    if (waitedMs === recoveryNoticeMs) onProblem('Postgres is still recovering from an unclean stop; waiting for it.');
    await Promise.race([server.ended, delay(lookEveryMs)]);
  }
  return false;
}

/** Makes our database if it is missing. False when Postgres went away while it was asked. */
async function ensureDatabase(connection: ConnectionSettings): Promise<boolean> {
  const client = new pg.Client({ ...connection, database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_database where datname = $1', [connection.database]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(connection.database)}`);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (wentAway.test(code)) return false;
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

/** No socket, nobody behind it, cut off; and Postgres' "shutting down", "crashed", "starting up". */
const wentAway = /^(ENOENT|ECONNREFUSED|ECONNRESET|EPIPE|57P0[123])$/;

function refusedToStart({ cluster, log }: DataDirectory, how: string, lastWords: string): DataDirectoryError {
  return new DataDirectoryError(
    'refused',
    cluster,
    [
      `Postgres did not start on ${cluster} (${how}). Its last words, from ${log}:`,
      ...lastWords.split('\n').map((line) => `  ${line}`),
      'If the database is damaged, restore the directory from a backup, or move it away to start with an empty one.',
    ].join('\n'),
  );
}

/** It started, and can't be used: files of the cluster are missing or damaged. */
function unusable({ cluster, log }: DataDirectory, cause: unknown): DataDirectoryError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new DataDirectoryError(
    'refused',
    cluster,
    `The database in ${cluster} can't be used: ${said} (more in ${log}). Restore the directory from a backup, or move it away to start with an empty database.`,
    { cause },
  );
}
