import type pg from 'pg';
import type { LabelFacts } from '../domain/blockers.ts';
import { workerLockClass } from './workers.ts';

type Client = pg.ClientBase | pg.Pool;

/** Block runs that take slots are looked for in at most this many running runs. */
const mostRuns = 200;

/**
 * A worker lives that holds its lock, or has beaten within 15 s: without a scheduler nobody finds a lost one, and its row alone
 * would promise for ever that somebody will come.
 */
const fromLivingWorkers = `from worker w cross join lateral unnest(w.labels) l(label) left join worker_beat b on b.worker_id = w.id
            where w.ended_at is null
              and (b.at > now() - interval '15 seconds'
                   or exists (select 1 from pg_locks k
                               where k.locktype = 'advisory' and k.classid = $1::int::oid and k.objid = w.id::int::oid and k.objsubid = 2
                                 and k.database = (select oid from pg_database where datname = current_database())))`;

/** How many workers of each label live, how many slots they have and how many of these are taken, in two statements. Labels without workers are left out. */
export async function labelFacts(
  client: Client,
  labels: readonly string[],
  mostHolders: number,
): Promise<ReadonlyMap<string, LabelFacts>> {
  if (labels.length === 0) return new Map();
  const workers = await livingWorkers(client, labels);
  if (workers.length === 0) return new Map();
  const holders = await holdersOf(client, labels, mostHolders);
  return new Map(
    workers.map(({ label, workers: n, slots, busy }) => {
      const held = holders.find((row) => row.label === label);
      // A beat may be half a second old, and a worker that has just begun has none. What is claimed ahead of a slot has none yet.
      const inUse = Math.min(slots, Math.max(busy, held?.count ?? 0));
      return [label, { workers: n, slots, inUse, holders: held?.holders ?? [] }];
    }),
  );
}

/** The labels that a living worker takes, in alphabetical order. */
export async function livingLabels(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ label: string }>({
    name: 'living-labels',
    text: `select distinct l.label ${fromLivingWorkers} order by 1`,
    values: [workerLockClass],
  });
  return rows.map(({ label }) => label);
}

async function livingWorkers(client: Client, labels: readonly string[]) {
  const result = await client.query<{ label: string; workers: number; slots: number; busy: number }>({
    name: 'blocker-facts-workers',
    text: `select l.label, count(*)::int as workers, sum(w.slots)::int as slots, sum(coalesce(b.busy, 0))::int as busy
             ${fromLivingWorkers} and l.label = any($2)
            group by 1`,
    values: [workerLockClass, labels],
  });
  return result.rows;
}

async function holdersOf(client: Client, labels: readonly string[], mostHolders: number) {
  const result = await client.query<{ label: string; count: number; holders: bigint[] }>({
    name: 'blocker-facts-holders',
    text: `select b.label, count(*)::int as count, (array_agg(b.id order by b.started_at, b.id))[1:${mostHolders}] as holders
             from block_run b
            where b.pipeline_run_id = any(array(select id from pipeline_run where status = 'running' and blocks_running > 0 order by id limit ${mostRuns}))
              and b.status = 'running' and b.worker_id is not null and b.child_run_id is null and b.label = any($1) group by 1`,
    values: [labels],
  });
  return result.rows;
}
