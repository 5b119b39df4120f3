import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DataDirectoryError } from './data-directory-error.ts';

/** Where the parts of an embedded Postgres lie: all of them in `<dataDir>/postgres`, so that nothing else there is touched. */
export type DataDirectory = {
  /** The directory that the user named, as a real path. */
  readonly dataDir: string;
  /** `<dataDir>/postgres`, ours alone. */
  readonly home: string;
  /** The database cluster: what Postgres calls its data directory. */
  readonly cluster: string;
  /** Where a cluster is made before it moves to its place, so that a half-made one is never taken for a whole one. */
  readonly unfinished: string;
  readonly lock: string;
  readonly log: string;
  /** A link to the directory of the Unix socket. */
  readonly socketLink: string;
};

/** The major version of the binaries. Clusters of two majors can't read each other. */
const postgresMajor = '18';

const signature = 'This directory belongs to the embedded Postgres of Penstock.';
const explanation =
  'It holds pipelines, triggers, runs and logs. Only Postgres writes here; nothing in it is for editing.';

/**
 * Opens or makes the data directory and signs its `postgres` directory as ours.
 * Throws DataDirectoryError, and has changed nothing, when what lies there is not ours or can't be read by Postgres 18.
 */
export function openDataDirectory(path: string): DataDirectory {
  const dataDir = makeDirectory(resolve(path));
  const home = join(dataDir, 'postgres');
  const directory: DataDirectory = {
    dataDir,
    home,
    cluster: join(home, 'data'),
    unfinished: join(home, 'data.unfinished'),
    lock: join(home, 'lock'),
    log: join(home, 'postgres.log'),
    socketLink: join(home, 'socket'),
  };
  refuseForeign(directory);
  makeDirectory(home);
  sign(home);
  return directory;
}

function sign(home: string): void {
  try {
    accessSync(home, constants.W_OK);
    if (!isSigned(home)) writeFileSync(join(home, 'README.txt'), `${signature}\n${explanation}\n`);
  } catch (error) {
    throw unusable(home, error);
  }
}

/** Whether a finished cluster is there. Throws DataDirectoryError when it is one that Postgres 18 can't read. */
export function hasCluster(directory: DataDirectory): boolean {
  const { cluster } = directory;
  if (!existsSync(cluster)) return false;
  const version = readVersion(cluster);
  if (version === postgresMajor) return true;
  if (version) throw otherVersion(cluster, version);
  throw new DataDirectoryError(
    'refused',
    cluster,
    `The database in ${cluster} is damaged: its file PG_VERSION is missing or empty. Restore the directory from a backup, or move it away to start with an empty database.`,
  );
}

function refuseForeign({ dataDir, home }: DataDirectory): void {
  for (const place of [dataDir, home]) {
    const version = readVersion(place);
    if (version !== undefined) {
      throw new DataDirectoryError(
        'foreign',
        place,
        `${place} is the data directory of another Postgres (version ${version}), not of Penstock. Name another data directory, or give --database-url to use that Postgres while it runs.`,
      );
    }
  }
  if (!existsSync(home)) {
    refuseStrangers(dataDir);
    return;
  }
  const entries = listDirectory(home);
  if (entries.length === 0 || isSigned(home)) return;
  throw new DataDirectoryError(
    'foreign',
    home,
    `${home} holds files that are not Penstock's (${entries.slice(0, 3).join(', ')}${entries.length > 3 ? ', …' : ''}). Nothing was touched. Name another data directory, or move these files away.`,
  );
}

/** What Penstock itself puts beside `postgres`. Hidden files are nobody's claim: a .gitignore, a .DS_Store. */
const ours: ReadonlySet<string> = new Set(['outputs', 'admin-token', 'server.json']);

/** A directory that is new to us must be empty: one with somebody's files in it was most likely named by mistake. */
function refuseStrangers(dataDir: string): void {
  const strangers = listDirectory(dataDir).filter((entry) => !ours.has(entry) && !entry.startsWith('.'));
  if (strangers.length === 0) return;
  throw new DataDirectoryError(
    'foreign',
    dataDir,
    `${dataDir} holds files that are not Penstock's (${strangers.slice(0, 3).join(', ')}${strangers.length > 3 ? ', …' : ''}), and no data of Penstock. Nothing was touched. Name an empty or a new directory.`,
  );
}

function isSigned(home: string): boolean {
  try {
    return readFileSync(join(home, 'README.txt'), 'utf8').startsWith(signature);
  } catch {
    return false;
  }
}

function readVersion(cluster: string): string | undefined {
  try {
    return readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'EACCES') throw unusable(cluster, error);
    return undefined;
  }
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

function makeDirectory(path: string): string {
  try {
    makeWithParents(path);
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR', syscall: 'mkdir' });
    return realpathSync(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Not mkdir's `recursive`: where a file system answers "no such directory" to every mkdir (/proc), Node never returns. */
function makeWithParents(path: string): void {
  if (existsSync(path)) return;
  makeWithParents(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another server, at the same moment.
    if (!existsSync(path)) throw error;
  }
}

/** The code of a failed system call, such as EACCES; undefined for every other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined;
}

/** What a failed file operation means to the person who named the directory. */
export function unusable(path: string, cause: unknown): DataDirectoryError {
  const code = errorCode(cause) ?? String(cause);
  if (code === 'EEXIST' || code === 'ENOTDIR') {
    return new DataDirectoryError(
      'not_a_directory',
      path,
      `${path} can't be a data directory, because a file is in its place. Name another data directory, or move the file away.`,
      { cause },
    );
  }
  return new DataDirectoryError(
    'not_writable',
    path,
    `The data directory ${path} can't be written (${code}). Give this user the right to write there, name another data directory, or give --database-url to use another Postgres.`,
    { cause },
  );
}

function otherVersion(cluster: string, version: string): DataDirectoryError {
  return new DataDirectoryError(
    'other_version',
    cluster,
    `The database in ${cluster} was made by Postgres ${version}; this Penstock brings Postgres ${postgresMajor}, which can't read it. Dump it with the older Penstock (pg_dump) and load it into a new data directory.`,
  );
}
