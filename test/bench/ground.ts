import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import type { Ground } from './benchmark.ts';

/** The one Postgres and the one disk of a benchmark run. */
export type BenchGround = Ground & {
  readonly postgresPid: number;
  readonly postgresVersion: string;
  /** Stops Postgres and removes everything. */
  readonly close: () => Promise<void>;
};

/** Starts an embedded Postgres, its settings as `penstock serve` has them (fsync on), in a temporary directory in `place`. */
export async function openGround(place: string): Promise<BenchGround> {
  const root = await mkdtemp(join(place, 'penstock-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir: join(root, 'postgres') });
  const { connection } = postgres;
  const admin = new pg.Client({ ...connection, database: 'postgres' });
  await admin.connect();
  const { rows } = await admin.query<{ readonly server_version: string }>('show server_version');
  return {
    postgresPid: postgres.postmasterPid,
    postgresVersion: rows[0]?.server_version ?? 'unknown',
    directory: (name) => mkdtemp(join(root, `${name}-`)),
    database: async (name) => {
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`create database ${name}`);
      return connectionUrl({ ...connection, database: name });
    },
    close: async () => {
      await admin.end();
      await postgres.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Everybody connects the same way, over the Unix socket: its directory is the URL's host, percent-encoded. */
function connectionUrl({ user, password, host, port, database }: ConnectionSettings): string {
  const login =
    password === '' ? encodeURIComponent(user) : `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `postgresql://${login}@${encodeURIComponent(host)}:${port}/${database}`;
}

/**
 * Where figures are worth having: a commit to memory says nothing about a commit to disk, and /tmp is memory on many systems.
 * `PENSTOCK_BENCH_DIR` names another place. Rejects when there is no place on a disk.
 */
export async function placeOnDisk(): Promise<string> {
  const asked = process.env.PENSTOCK_BENCH_DIR;
  const places = asked === undefined ? [tmpdir(), '/var/tmp'] : [asked];
  for (const place of places) {
    if (asked !== undefined) await mkdir(place, { recursive: true });
    if (!(await isInMemory(place))) return place;
  }
  throw new Error(`${places.join(' and ')} are in memory. Set PENSTOCK_BENCH_DIR to a directory on a disk.`);
}

/** Linux' file system numbers of tmpfs and ramfs. */
const memoryFileSystems: readonly number[] = [0x01021994, 0x858458f6];

async function isInMemory(path: string): Promise<boolean> {
  const { type } = await statfs(path);
  return memoryFileSystems.includes(type);
}
