import type pg from 'pg';

type Client = pg.ClientBase | pg.Pool;

/** A run that is not over, at a glance. */
export type ActiveRun = {
  readonly id: bigint;
  readonly eventSeq: number;
  /** The code of the blocker that its history told last. */
  readonly blocker: string | null;
  /** Changes when the limits of its pipeline or its trigger may have changed. */
  readonly limits: string;
};

/** How a run fares, on a closer look. */
export type RunFare = {
  /** What its history told last, as of this look. */
  readonly told: Pick<ActiveRun, 'eventSeq' | 'blocker'>;
  /** Whether a worker has one of its block runs. */
  readonly isAtWork: boolean;
  /** Whether its history has not grown since the given time. */
  readonly isQuiet: boolean;
};

/**
 * The next `most` active runs after an id, ascending. The `+ 0` keeps the planner from walking the primary key, past every run that ever
 * was, to the few that are active.
 */
export async function nextActiveRuns(client: Client, after: bigint, most: number): Promise<readonly ActiveRun[]> {
  const result = await client.query<ActiveRun>({
    name: 'next-active-runs',
    text: `with active as materialized (
             select id, event_seq, blocker, pipeline_uuid, trigger_id from pipeline_run
              where status in ('initial', 'running') and id > $1 order by id + 0 limit $2)
           select a.id, a.event_seq as "eventSeq", a.blocker, concat_ws(' ', p.version, t.updated_at::text) as limits
             from active a left join pipeline p on p.uuid = a.pipeline_uuid left join trigger t on t.id = a.trigger_id order by a.id`,
    values: [after, most],
  });
  return result.rows;
}

/** Looks closely at those of the runs that have not ended. */
export async function howRunsFare(
  client: Client,
  ids: readonly bigint[],
  quietSince: Date,
): Promise<ReadonlyMap<bigint, RunFare>> {
  if (ids.length === 0) return new Map();
  const result = await client.query<{
    id: bigint;
    event_seq: number;
    blocker: string | null;
    at_work: boolean;
    is_quiet: boolean;
  }>({
    name: 'how-runs-fare',
    text: `select a.id, a.event_seq, a.blocker,
                  exists (select 1 from run_event e where e.pipeline_run_id = a.id and e.seq = a.event_seq and e.at <= $2) as is_quiet,
                  a.status = 'running' and exists (
                    select 1 from block_run b where b.pipeline_run_id = a.id and b.status = 'running' and b.worker_id is not null and b.child_run_id is null and not b.stop_requested)
                  as at_work
             from pipeline_run a where a.id = any($1) and a.status in ('initial', 'running')`,
    values: [ids, quietSince],
  });
  return new Map(
    result.rows.map((row) => [
      row.id,
      { told: { eventSeq: row.event_seq, blocker: row.blocker }, isAtWork: row.at_work, isQuiet: row.is_quiet },
    ]),
  );
}

/** What is new about why a run waits; `code` and `message` are null when nothing blocks it any more. */
export type BlockerNews = {
  readonly run: ActiveRun;
  readonly code: string | null;
  readonly message: string | null;
};

/**
 * Writes what is new into the histories of the runs, ascending; answers which runs got an entry. A run whose history has grown
 * since it was looked at is left for the next look. That nothing blocks a run any more is kept and makes no entry: what moved
 * it is in its history.
 */
export async function tellBlockers(
  client: pg.ClientBase,
  news: readonly BlockerNews[],
  now: Date,
): Promise<readonly bigint[]> {
  const inOrder = [...news].sort((a, b) => (a.run.id < b.run.id ? -1 : 1));
  const ids = inOrder.map(({ run }) => run.id);
  await client.query({
    name: 'lock-runs-to-tell',
    text: 'select id from pipeline_run where id = any($1) order by id for no key update',
    values: [ids],
  });
  const result = await client.query<{ id: bigint }>({
    name: 'tell-blockers',
    text: `with told as (
             update pipeline_run r
                set blocker = n.code, event_seq = r.event_seq + case when n.code is null then 0 else 1 end
               from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[]) n(id, seq, before, code, message)
              where r.id = any($1) and r.id = n.id and r.event_seq = n.seq and r.blocker is not distinct from n.before
                and r.status in ('initial', 'running')
             returning r.id, r.event_seq, r.pipeline_uuid, r.attempt, n.before, n.code, n.message)
           insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, from_status, to_status, reason_code, reason_message)
           select id, event_seq, $6, 'blocker_changed', pipeline_uuid, attempt, before, code, 'OTHER', message
             from told where code is not null order by id
           returning pipeline_run_id as id`,
    values: [
      ids,
      inOrder.map(({ run }) => run.eventSeq),
      inOrder.map(({ run }) => run.blocker),
      inOrder.map(({ code }) => code),
      inOrder.map(({ message }) => message),
      now,
    ],
  });
  return result.rows.map((row) => row.id);
}
