import type pg from 'pg';
import type { Database } from './database.ts';

/**
 * Which history the numbers of transactions belong to. After a dump and restore, a copy or a failover the same numbers are
 * given out once more, or events that somebody saw are gone: cursors from before say nothing then. So each such history has
 * an epoch, which stands in every cursor.
 */

/** What tells one history from another. */
export type LogIdentity = {
  /** The cluster and, within it, the database and the table: a restore within one cluster makes them anew. */
  readonly system: string;
  /** Rises when a standby is promoted or a backup is recovered up to some moment. */
  readonly timeline: number;
};

/** Any number that no other advisory lock of Penstock uses. */
const lockKey = 7_021_977_041;
const chunk = 10_000n;

/** Which history the database at the other end tells. */
async function readIdentity(client: pg.ClientBase | pg.Pool): Promise<LogIdentity> {
  const { rows } = await client.query<LogIdentity>(
    `select format('%s/%s/%s', s.system_identifier, d.oid, 'run_event'::regclass::oid) as system, c.timeline_id as timeline
       from pg_control_system() s, pg_control_checkpoint() c, pg_database d
      where d.datname = current_database()`,
  );
  const identity = rows[0];
  if (!identity) throw new Error('Postgres did not say which cluster it is.');
  return identity;
}

/**
 * Compares the database with the one it was when last started, and begins a new epoch when it is another. To be called before
 * anything is written. Safe to call again and in several processes at once; returns the epoch that holds.
 */
export async function establishEpoch(database: Database): Promise<number> {
  const client = await database.connect('epoch');
  try {
    // Held by the session: the work below commits in chunks. Ends with the connection, whatever happens.
    await client.query('select pg_advisory_lock($1)', [lockKey]);
    const found = await readIdentity(client);
    const { rows } = await client.query<LogIdentity & { epoch: number }>(
      'select system_identifier as system, timeline, epoch from installation where id = 1',
    );
    const stored = rows[0];
    if (stored?.system === found.system && stored.timeline === found.timeline) return stored.epoch;

    // On another timeline of the same cluster the numbers go on from where they were; in another cluster they mean nothing.
    if (stored?.system !== found.system) {
      await forgetTransactions(client, 'run_event');
      await forgetTransactions(client, 'log_line');
    }
    const saved = await client.query<{ epoch: number }>(
      `insert into installation (id, system_identifier, timeline) values (1, $1, $2)
       on conflict (id) do update set system_identifier = $1, timeline = $2, epoch = installation.epoch + 1
       returning epoch`,
      [found.system, found.timeline],
    );
    return saved.rows[0]?.epoch ?? 1;
  } finally {
    await client.end();
  }
}

/**
 * Gives all rows the transaction 0, which every snapshot has seen. Else those with a number that this cluster has yet to reach
 * would look new to the tail, again and again. In chunks: a crash in between repeats it, and nothing waits long.
 */
async function forgetTransactions(client: pg.ClientBase, table: 'run_event' | 'log_line'): Promise<void> {
  const { rows } = await client.query<{ first: bigint | null; last: bigint | null }>(
    `select min(id) as first, max(id) as last from ${table}`,
  );
  const { first, last } = rows[0] ?? { first: null, last: null };
  if (first === null || last === null) return;
  for (let from = first; from <= last; from += chunk) {
    await client.query(`update ${table} set xid = '0' where id >= $1 and id < $2 and xid <> '0'`, [from, from + chunk]);
  }
}
