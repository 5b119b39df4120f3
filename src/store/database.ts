import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import type { ConnectionSettings } from './connection.ts';
import { createDefinitions, type Definitions } from './definitions.ts';
import { endWhenVanished, ordinaryPatience, type Patience, patientClient } from './postgres-client.ts';

/**
 * One process' way to Postgres. Prisma serves the catalogue and everything that is read by people; the statements that
 * move runs go through `pg` as named statements, because Prisma adds 0.1–0.5 ms to each.
 */
export type Database = {
  readonly settings: ConnectionSettings;
  readonly pool: pg.Pool;
  readonly prisma: PrismaClient;
  readonly definitions: Definitions;
  /** Runs `work` in one transaction; repeats it when Postgres broke a deadlock or a conflict, or it paused for too long (40P01, 40001, 25P03). */
  readonly transaction: <T>(work: (client: pg.PoolClient) => Promise<T>) => Promise<T>;
  /** A connection of one's own, outside of the pool: for LISTEN, advisory locks and the worker's batcher. */
  readonly connect: (name: string) => Promise<pg.Client>;
  readonly close: () => Promise<void>;
};

/** bigint columns, and arrays of them, arrive as JavaScript bigint: as they do from Prisma. */
const int8Array = 1016;
const types = {
  getTypeParser(oid: number, format?: string) {
    if (format !== 'binary' && oid === pg.types.builtins.INT8) return (text: string) => BigInt(text);
    if (format !== 'binary' && oid === int8Array) return parseInt8Array;
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

function parseInt8Array(text: string): bigint[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(BigInt);
}

const maxTransactionTries = 5;

/** Opens the pool and Prisma on the same database. Connections are made when first needed. */
export function openDatabase(
  settings: ConnectionSettings,
  options: { readonly poolSize?: number; readonly patience?: Patience } = {},
): Database {
  const poolSize = options.poolSize ?? 10;
  const Client = patientClient(options.patience ?? ordinaryPatience);
  // The pool waits for this before it hands out a new connection.
  const onConnect = (client: pg.ClientBase) => endWhenVanished(client, settings.host);
  const pool = new pg.Pool({ ...settings, Client, onConnect, types, max: poolSize, application_name: 'penstock' });
  // A connection that dies (Postgres restarted) is replaced by the pool, and whoever uses it just then is told by its next statement.
  // Without a listener the process would end: the pool's own listens while it is idle, the client's also between two statements.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const adapter = new PrismaPg({ ...settings, Client, onConnect, max: poolSize, application_name: 'penstock-prisma' });
  const prisma = new PrismaClient({ adapter });

  return {
    settings,
    pool,
    prisma,
    definitions: createDefinitions(pool),
    transaction: (work) => runTransaction(pool, work),
    connect: async (name) => {
      const client = new Client({ ...settings, types, application_name: `penstock-${name}` });
      client.on('error', () => {});
      await client.connect();
      await onConnect(client);
      return client;
    },
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

/**
 * A transaction holds locks that others wait for, and none of ours pauses in its middle. A process that does was stopped, or lost its
 * network: after 2 s, as long as a worker may be silent before it is taken for lost, Postgres takes everything back.
 */
const begin = 'begin; set local idle_in_transaction_session_timeout = 2000';

async function runTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const client = await pool.connect();
    let broken: Error | undefined;
    let pausedTooLong = false;
    const listen = (error: Error) => {
      pausedTooLong ||= codeOf(error) === idleTimeout;
    };
    client.on('error', listen);
    try {
      await client.query(begin);
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((rollbackError: Error) => {
        broken = rollbackError;
      });
      if (!(isConflict(error) || pausedTooLong) || tries >= maxTransactionTries) throw error;
    } finally {
      client.off('error', listen);
      client.release(broken);
    }
  }
}

const idleTimeout = '25P03';

/** Everything was taken back, and may go well if it is done again. */
function isConflict(error: unknown): boolean {
  return ['40P01', '40001', idleTimeout].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
