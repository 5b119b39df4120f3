import { mkdirSync, renameSync, rmSync } from 'node:fs';
import type { ConnectionSettings } from './connection.ts';
import { type DataDirectory, errorCode, hasCluster, openDataDirectory, unusable } from './embedded/data-directory.ts';
import { DataDirectoryError } from './embedded/data-directory-error.ts';
import { lockDirectory } from './embedded/directory-lock.ts';
import { keepLogSmall } from './embedded/log-file.ts';
import { accountName, chooseLauncher, type Launcher } from './embedded/postgres-account.ts';
import { findPostgresBinaries, type PostgresBinaries } from './embedded/postgres-binaries.ts';
import { initializeCluster } from './embedded/postgres-process.ts';
import { postgresSettings } from './embedded/postgres-settings.ts';
import { makeSocketDirectory, removeSocketDirectory } from './embedded/socket-directory.ts';
import { supervise } from './embedded/supervisor.ts';

/** What the caller of startEmbeddedPostgres decides. */
export type EmbeddedPostgresOptions = {
  /** Made if it is not there. Postgres keeps to its subdirectory `postgres`. */
  readonly dataDir: string;
  /** Called with a sentence when Postgres ended unasked, and when it is back. */
  readonly onProblem?: (sentence: string) => void;
  /** Postgres settings that differ from postgres-settings.ts. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** A Postgres server of our own, running until `stop` or until this process ends. */
export type EmbeddedPostgres = {
  readonly connection: ConnectionSettings;
  /** The present postmaster; another one after Postgres was restarted. */
  readonly postmasterPid: number;
  /** Stops Postgres and gives the data directory free. Safe to call twice. */
  readonly stop: () => Promise<void>;
};

const database = 'penstock';

/**
 * Starts the bundled Postgres 18 on a data directory: about 0.7 s for a new one, 0.1 s for one that was stopped in order.
 * What an earlier server left (a stale lock, a running postmaster, an unclean shutdown) is put in order first. While it
 * runs, a Postgres that ends unasked is started again. Throws DataDirectoryError when it can't run there.
 *
 * It listens on a Unix socket in a private directory and asks for no password: the file system already lets only this OS
 * user (and root) in, which is all that a password in a file of the same user would do, and each connection is spared the
 * 4,096 hash rounds of a SCRAM login.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = findPostgresBinaries();
  const directory = openDataDirectory(options.dataDir);
  const lock = await lockDirectory(directory.lock, directory.dataDir);
  try {
    const launcher = await prepareCluster(binaries, directory);
    return await serve(launcher, binaries, directory, options, lock.release);
  } catch (error) {
    removeSocketDirectory(directory.socketLink);
    lock.release();
    throw errorCode(error) === undefined ? error : unusable(directory.home, error);
  }
}

async function serve(
  launcher: Launcher,
  binaries: PostgresBinaries,
  directory: DataDirectory,
  options: EmbeddedPostgresOptions,
  releaseLock: () => void,
): Promise<EmbeddedPostgres> {
  const socketDirectory = makeSocketDirectory(directory.socketLink, directory.cluster);
  const connection = { host: socketDirectory, port: 5432, user: 'penstock', password: '', database, ssl: false };
  const endLogKeeping = keepLogSmall(directory.log);
  const supervisor = await supervise({
    launcher,
    program: binaries.postgres,
    directory,
    settings: { ...postgresSettings, ...options.settings, unix_socket_directories: socketDirectory },
    connection,
    onProblem: options.onProblem ?? (() => {}),
  });

  let stopped: Promise<void> | undefined;
  const stop = async () => {
    endLogKeeping();
    await supervisor.stop();
    removeSocketDirectory(directory.socketLink);
    releaseLock();
  };
  return {
    connection,
    get postmasterPid() {
      return supervisor.pid();
    },
    stop: () => (stopped ??= stop()),
  };
}

/** Makes the cluster if there is none, and finds out who is to run it. */
async function prepareCluster(binaries: PostgresBinaries, directory: DataDirectory): Promise<Launcher> {
  if (hasCluster(directory)) return chooseLauncher(binaries, directory.cluster);
  accountName();
  const { unfinished, cluster } = directory;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const launcher = await chooseLauncher(binaries, unfinished);
  try {
    await initializeCluster(launcher, binaries.initdb, unfinished);
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause);
    throw new DataDirectoryError(
      'refused',
      cluster,
      `Postgres could not make a database in ${cluster}. It said: ${said}\nName another data directory, or give --database-url to use another Postgres.`,
      { cause },
    );
  }
  renameSync(unfinished, cluster);
  return launcher;
}
