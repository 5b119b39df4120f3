import type pg from 'pg';

/** The advisory lock that every scheduler's session shares while it lives. */
const schedulerLock = [7402, 1] as const;

/** Shows that a scheduler is at work, for as long as `client` stays connected. */
export async function enterScheduler(client: pg.ClientBase): Promise<void> {
  await client.query('select pg_advisory_lock_shared($1, $2)', [...schedulerLock]);
}

/** Whether any scheduler of any process is at work. */
export async function isSchedulerAlive(client: pg.ClientBase | pg.Pool): Promise<boolean> {
  const result = await client.query<{ alive: boolean }>({
    name: 'scheduler-alive',
    text: `select exists (select 1 from pg_locks
                           where locktype = 'advisory' and classid = $1::int::oid and objid = $2::int::oid and objsubid = 2
                             and database = (select oid from pg_database where datname = current_database())) as alive`,
    values: [...schedulerLock],
  });
  return result.rows[0]?.alive ?? false;
}
