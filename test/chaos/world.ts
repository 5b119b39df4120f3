import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';
import { type PenstockProcess, type Role, startPenstock } from './penstock-process.ts';
import { type BlockMs, type ChaosPipeline, writeChaosProject } from './project.ts';
import type { Ask } from './traffic.ts';

/** A Postgres of its own, and Penstock on it as somebody with several machines has it: each role in processes of its own. */
export type World = {
  readonly directory: string;
  readonly journal: string;
  readonly log: string;
  readonly postgres: EmbeddedPostgres;
  readonly pipelines: readonly ChaosPipeline[];
  readonly crew: () => readonly PenstockProcess[];
  /** Before each worker. */
  readonly proxies: () => readonly CuttingProxy[];
  readonly hire: (role: Role) => Promise<PenstockProcess>;
  /** Kills one for good. */
  readonly dismiss: (member: PenstockProcess) => Promise<void>;
  readonly ask: Ask;
  /** Runs one statement in Postgres, on a connection of its own. */
  readonly sql: (text: string) => Promise<pg.QueryResult>;
  readonly close: () => Promise<void>;
};

const slots = '4';

/** Starts Postgres, the API, schedulers and workers. */
export async function openWorld(sizes: {
  readonly schedulers: number;
  readonly workers: number;
  readonly blockMs: BlockMs;
  /** Where its temporary directory is made. */
  readonly place?: string;
}): Promise<World> {
  const directory = await mkdtemp(join(sizes.place ?? tmpdir(), 'penstock-chaos-'));
  const projectDir = join(directory, 'project');
  const journal = join(directory, 'journal.txt');
  const log = join(directory, 'penstock.log');
  const pipelines = await writeChaosProject(projectDir, journal, sizes.blockMs);
  const postgres = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') });
  const { host, port, user, database } = postgres.connection;
  const databaseUrl = `postgresql://${user}@${encodeURIComponent(host)}:${port}/${database}`;
  const members = new Map<PenstockProcess, CuttingProxy | null>();
  let hired = 0;

  async function hire(role: Role): Promise<PenstockProcess> {
    const proxy = role === 'worker' ? await startCuttingProxy(postgres.connection) : null;
    // Outputs lie in the data directory: all workers have to see them.
    const dataDir = role === 'worker' ? join(directory, 'workers') : join(directory, `${role}-${++hired}`);
    const flags = role === 'worker' ? ['--slots', slots] : [];
    try {
      const member = await startPenstock(role, {
        projectDir,
        dataDir,
        databaseUrl: proxy?.url ?? databaseUrl,
        log,
        flags,
      });
      members.set(member, proxy);
      return member;
    } catch (error) {
      await proxy?.close();
      throw error;
    }
  }

  async function dismiss(member: PenstockProcess): Promise<void> {
    await member.kill();
    await members.get(member)?.close();
    members.delete(member);
  }

  async function close(): Promise<void> {
    await Promise.all([...members.keys()].map(dismiss));
    await postgres.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    const api = await hire('api');
    const { url, token } = JSON.parse(await readFile(join(api.dataDir, 'server.json'), 'utf8'));
    for (let i = 0; i < sizes.schedulers; i++) await hire('scheduler');
    await Promise.all(Array.from({ length: sizes.workers }, () => hire('worker')));
    return {
      ...{ directory, journal, log, postgres, pipelines, hire, dismiss, close },
      crew: () => [...members.keys()],
      proxies: () => [...members.values()].filter((proxy) => proxy !== null),
      ask: (query, variables) => ask(`${url}/graphql`, token, query, variables),
      sql: (text) => runStatement(postgres, text),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function ask<Data>(url: string, token: string, query: string, variables: Record<string, unknown>): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(10_000),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: readonly { message: string }[] };
  if (errors) throw new Error(errors.map((error) => error.message).join('\n'));
  return data;
}

async function runStatement(postgres: EmbeddedPostgres, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ ...postgres.connection, application_name: 'chaos' });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end().catch(() => {});
  }
}
