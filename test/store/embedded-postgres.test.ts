import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { chooseLauncher, type Launcher } from '../../src/store/embedded/postgres-account.ts';
import { findPostgresBinaries } from '../../src/store/embedded/postgres-binaries.ts';
import { initializeCluster, spawnPostgres } from '../../src/store/embedded/postgres-process.ts';
import { processStart } from '../../src/store/embedded/process-identity.ts';
import { makeSocketDirectory, removeSocketDirectory } from '../../src/store/embedded/socket-directory.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';

type Child = { process: ChildProcess; connection: ConnectionSettings; postmasterPid: number };

// Each test starts a database or two; where other things run on the machine, that takes its time.
vi.setConfig({ testTimeout: 60_000 });

/** A data directory whose server was stopped in order, to be copied: making a database costs half a second of CPU. */
let stoppedOnce: string;
beforeAll(async () => {
  stoppedOnce = mkdtempSync(join(tmpdir(), 'penstock-embedded-'));
  await (await startEmbeddedPostgres({ dataDir: stoppedOnce })).stop();
}, 60_000);
afterAll(() => rmSync(stoppedOnce, { recursive: true }));

// mkdtemp makes it 0700: where we are root, the user that runs Postgres may not pass through it.
let parent: string;
let dataDir: string;
let running: EmbeddedPostgres[];
let children: ChildProcess[];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'penstock-embedded-'));
  dataDir = join(parent, '.penstock');
  running = [];
  children = [];
});

afterEach(async () => {
  await Promise.all(running.map((postgres) => postgres.stop()));
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.disconnect();
      await once(child, 'exit');
    }
  }
  rmSync(parent, { recursive: true, force: true });
});

describe('a person who starts Penstock in a folder', () => {
  test('has a database there that keeps what was committed over a restart', async () => {
    const first = await start();
    await ask(first.connection, 'create table t (a text)');
    await ask(first.connection, `insert into t values ('kept')`);
    await first.stop();
    const second = await start();
    expect(await ask(second.connection, 'select a from t')).toEqual([{ a: 'kept' }]);
  });

  test('has it to themselves: nothing listens on the network, and the socket lies in a private directory', async () => {
    const { connection } = await start();
    expect(await ask(connection, 'show listen_addresses')).toEqual([{ listen_addresses: '' }]);
    expect(statSync(connection.host).mode & 0o777).toBe(0o700);
  });

  test('loses no commit, whatever the language of their shell is', async () => {
    useEarlierDatabase();
    vi.stubEnv('LC_ALL', 'tr_TR.UTF-8');
    const { connection } = await start();
    vi.unstubAllEnvs();
    expect(
      await ask(
        connection,
        `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
                current_setting('server_encoding') as encoding, upper('iä') as upper, 'Z' < 'a' as bytewise`,
      ),
    ).toEqual([{ fsync: 'on', commit: 'on', encoding: 'UTF8', upper: 'IÄ', bytewise: true }]);
  });

  test('may copy it: one that the copy opened to everybody is closed again', async () => {
    useEarlierDatabase();
    chmodSync(join(dataDir, 'postgres/data'), 0o755);
    await start();
    expect(statSync(join(dataDir, 'postgres/data')).mode & 0o777).toBe(0o700);
  });

  test('may have a very long path', async () => {
    dataDir = join(parent, 'long'.repeat(40), 'longer'.repeat(30));
    await start();
  });

  test.skipIf(process.getuid?.() !== 0)(
    'may be root, with Penstock itself in a directory that is closed to others',
    async () => {
      const native = join(parent, 'native');
      execFileSync('cp', ['-a', dirname(dirname(findPostgresBinaries().postgres)), native]);
      const binaries = { postgres: join(native, 'bin/postgres'), initdb: join(native, 'bin/initdb') };
      const cluster = join(parent, 'cluster');
      mkdirSync(cluster);
      const launcher = await chooseLauncher(binaries, cluster);
      await initializeCluster(launcher, binaries.initdb, cluster);
      expect(statSync(join(cluster, 'PG_VERSION')).uid).not.toBe(0);
    },
  );

  test('presses Ctrl-C, which reaches only their server, and Postgres last', async () => {
    useEarlierDatabase();
    const { postmasterPid } = await start();
    const group = execFileSync('ps', ['-o', 'pgid=', '-p', String(postmasterPid)], { encoding: 'utf8' });
    expect(Number(group)).toBe(postmasterPid);
  });

  test('can stop it though somebody is in the middle of a transaction, and stop it twice', async () => {
    useEarlierDatabase();
    const postgres = await start();
    const client = new pg.Client(postgres.connection);
    const cutOff = new Promise((resolve) => client.once('end', resolve));
    client.on('error', () => {});
    await client.connect();
    await client.query('begin; create table t (a int)');
    await Promise.all([postgres.stop(), postgres.stop()]);
    await cutOff;
    expect(existsSync(postgres.connection.host)).toBe(false);
  });

  test('is not bothered by a first start that was killed half way', async () => {
    useEarlierDatabase();
    rmSync(join(dataDir, 'postgres/data'), { recursive: true });
    mkdirSync(join(dataDir, 'postgres/data.unfinished/base'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres/data.unfinished/PG_VERSION'), '18\n');
    await start();
  });
});

describe('two servers on one directory', () => {
  test('the second is told the pid of the first, and the first is not disturbed', async () => {
    useEarlierDatabase();
    const first = await startChild();
    await expect(start()).rejects.toMatchObject({
      name: 'DataDirectoryError',
      problem: 'in_use',
      pid: first.process.pid,
      message: expect.stringContaining(`pid ${first.process.pid}`),
    });
    expect(await ask(first.connection, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('also not in the same process', async () => {
    useEarlierDatabase();
    await start();
    await expect(start()).rejects.toMatchObject({ problem: 'in_use', pid: process.pid });
  });

  test('of several that start at once, one gets it', async () => {
    useEarlierDatabase();
    const outcomes = await Promise.allSettled([startChild(), startChild(), startChild()]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('a lock of a process that is gone counts for nothing, even when its pid is in use again', async () => {
    useEarlierDatabase();
    writeFileSync(join(dataDir, 'postgres/lock', `${process.ppid}-started.long.ago`), '');
    writeFileSync(join(dataDir, 'postgres/lock', `${process.pid}-started.long.ago`), '');
    await start();
  });
});

describe('after kill -9', () => {
  test('of the server, Postgres ends too, and the next start has everything', async () => {
    useEarlierDatabase();
    const child = await startChild();
    await ask(child.connection, 'create table t (a int)');
    await kill(child);
    const next = await start();
    expect(await ask(next.connection, 'select * from t')).toEqual([]);
    expect(processStart(child.postmasterPid)).toBeUndefined();
    expect(existsSync(child.connection.host), 'its socket directory').toBe(false);
  });

  test('of the server and Postgres, the next start recovers what was committed', async () => {
    useEarlierDatabase();
    const child = await startChild();
    await ask(child.connection, 'create table t as select generate_series(1, 1000) as a');
    process.kill(child.postmasterPid, 'SIGKILL');
    await kill(child);
    const next = await start();
    expect(await ask(next.connection, 'select count(*)::int from t')).toEqual([{ count: 1000 }]);
  });

  test('of Postgres alone, it is started again where connections look for it, and the server says so', async () => {
    useEarlierDatabase();
    const said: string[] = [];
    const back = Promise.withResolvers<void>();
    const postgres = await start((sentence) => {
      said.push(sentence);
      if (sentence === 'Postgres is back.') back.resolve();
    });
    await ask(postgres.connection, 'create table t (a int)');
    const before = postgres.postmasterPid;
    process.kill(before, 'SIGKILL');
    await back.promise;
    expect(said[0]).toBe('Postgres ended unexpectedly (signal SIGKILL); starting it again.');
    expect(postgres.postmasterPid).not.toBe(before);
    expect(await ask(postgres.connection, 'select * from t')).toEqual([]);
  });

  test('a Postgres that outlived its server is stopped first', async () => {
    useEarlierDatabase();
    const leftover = await spawnLeftover();
    const next = await start();
    removeSocketDirectory(join(parent, 'leftover.socket'));
    expect(processStart(leftover)).toBeUndefined();
    expect(next.postmasterPid).not.toBe(leftover);
    expect(await ask(next.connection, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a postmaster.pid that by now names somebody else hinders nobody', async () => {
    useEarlierDatabase();
    const cluster = join(dataDir, 'postgres/data');
    writeFileSync(
      join(cluster, 'postmaster.pid'),
      `${process.ppid}\n${cluster}\n1700000000\n5432\n/tmp\n\n  1  1\nready\n`,
    );
    await start();
  });
});

describe('a directory that is not ours or not well is refused with a remedy, and left as it is', () => {
  test('the data directory of another Postgres', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'PG_VERSION'), '16\n');
    await expectRefusal('foreign', 'another Postgres (version 16)');
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
  });

  test("somebody's own folder of files", async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'thesis.txt'), 'years of work');
    await expectRefusal('foreign', 'thesis.txt');
    expect(readdirSync(dataDir)).toEqual(['thesis.txt']);
  });

  test("somebody's own folder called postgres", async () => {
    mkdirSync(join(dataDir, 'postgres/data'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres/data/thesis.txt'), 'years of work');
    await expectRefusal('foreign', 'Nothing was touched');
    expect(readFileSync(join(dataDir, 'postgres/data/thesis.txt'), 'utf8')).toBe('years of work');
    expect(existsSync(join(dataDir, 'postgres/lock'))).toBe(false);
  });

  test('a database of another major version', async () => {
    useEarlierDatabase();
    writeFileSync(join(dataDir, 'postgres/data/PG_VERSION'), '17\n');
    await expectRefusal('other_version', 'made by Postgres 17');
  });

  test('a database that is damaged: it shows what Postgres said, each time', async () => {
    useEarlierDatabase();
    truncateSync(join(dataDir, 'postgres/data/global/pg_control'));
    await expectRefusal('refused', 'pg_control');
    await expectRefusal('refused', 'restore the directory from a backup');
  });

  test('a file', async () => {
    writeFileSync(dataDir, 'a file');
    await expectRefusal('not_a_directory', 'a file is in its place');
    expect(readFileSync(dataDir, 'utf8')).toBe('a file');
  });

  test('a place where nobody may write', async () => {
    dataDir = '/proc/penstock';
    await expectRefusal('not_writable', "can't be written");
  });

  async function expectRefusal(problem: string, words: string): Promise<void> {
    await expect(start()).rejects.toMatchObject({
      name: 'DataDirectoryError',
      problem,
      message: expect.stringContaining(words),
    });
  }
});

async function start(onProblem?: (sentence: string) => void): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres(onProblem === undefined ? { dataDir } : { dataDir, onProblem });
  running.push(postgres);
  return postgres;
}

/** Puts a database into `dataDir` as an earlier server left it, with the owners that it had. */
function useEarlierDatabase(): void {
  execFileSync('cp', ['-a', stoppedOnce, dataDir]);
}

async function startChild(): Promise<Child> {
  const child = fork(join(import.meta.dirname, 'embedded-postgres.child.ts'), [dataDir], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  children.push(child);
  const message = await new Promise<Omit<Child, 'process'>>((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the child ended with exit code ${code}`)));
  });
  return { process: child, ...message };
}

async function kill(child: Child): Promise<void> {
  child.process.kill('SIGKILL');
  await once(child.process, 'exit');
}

/** A postmaster on the cluster, like one whose server could not tie it to its own life. Returns its pid. */
async function spawnLeftover(): Promise<number> {
  const binaries = findPostgresBinaries();
  const cluster = join(dataDir, 'postgres/data');
  const bound = await chooseLauncher(binaries, cluster);
  const launcher: Launcher = {
    identity: bound.identity,
    command: (program, args) => {
      const [file, flags] = bound.command(program, args);
      return [file, flags.filter((flag) => !flag.startsWith('--pdeathsig'))];
    },
  };
  const log = join(parent, 'leftover.log');
  const socketDirectory = makeSocketDirectory(join(parent, 'leftover.socket'), cluster);
  const settings = { listen_addresses: '', unix_socket_directories: socketDirectory };
  const leftover = spawnPostgres(launcher, binaries.postgres, cluster, settings, log);
  await vi.waitFor(() => expect(leftover.lastWords(20)).toContain('ready to accept connections'), 20_000);
  return leftover.pid;
}

async function ask(connection: ConnectionSettings, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
