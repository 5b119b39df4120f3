import type pg from 'pg';

type Client = pg.ClientBase | pg.Pool;

/** A run that is not over, as the round that tells blockers sees it. */
export type ActiveRun = {
  readonly id: bigint;
  readonly eventSeq: number;
  /** The code of the blocker that its history told last. */
  readonly blocker: string | null;
  /** Whether a worker has one of its block runs. */
  readonly isAtWork: boolean;
  /** Whether its history has not grown since the given time. */
  readonly isQuiet: boolean;
};

/**
 * The next `most` active runs after an id, ascending, and how they fare. The `+ 0` keeps the planner from walking the primary
 * key, past every run that ever was, to the few that are active.
 */
export async function nextActiveRuns(
  client: Client,
  after: bigint,
  quietSince: Date,
  most: number,
): Promise<readonly ActiveRun[]> {
  const result = await client.query<{
    id: bigint;
    event_seq: number;
    blocker: string | null;
    at_work: boolean;
    is_quiet: boolean;
  }>({
    name: 'next-active-runs',
    text: `with active as materialized (
             select id, status, event_seq, blocker from pipeline_run
              where status in ('initial', 'running') and id > $1 order by id + 0 limit $3)
           select a.id, a.event_seq, a.blocker,
                  exists (select 1 from run_event e where e.pipeline_run_id = a.id and e.seq = a.event_seq and e.at <= $2) as is_quiet,
                  a.status = 'running' and exists (
                    select 1 from block_run b where b.pipeline_run_id = a.id and b.status = 'running' and b.worker_id is not null and b.child_run_id is null and not b.stop_requested)
                  as at_work
             from active a order by a.id`,
    values: [after, quietSince, most],
  });
  return result.rows.map((row) => ({
    id: row.id,
    eventSeq: row.event_seq,
    blocker: row.blocker,
    isAtWork: row.at_work,
    isQuiet: row.is_quiet,
  }));
}

/** What is new about why a run waits; `code` and `message` are null when nothing blocks it any more. */
export type BlockerNews = {
  readonly run: ActiveRun;
  readonly code: string | null;
  readonly message: string | null;
};

/**
 * Writes what is new into the histories of the runs, ascending; answers how many entries that made. A run whose history has grown
 * since it was looked at is left for the next look. That nothing blocks a run any more is kept and makes no entry: what moved
 * it is in its history.
 */
export async function tellBlockers(client: pg.ClientBase, news: readonly BlockerNews[], now: Date): Promise<number> {
  const inOrder = [...news].sort((a, b) => (a.run.id < b.run.id ? -1 : 1));
  const ids = inOrder.map(({ run }) => run.id);
  await client.query({
    name: 'lock-runs-to-tell',
    text: 'select id from pipeline_run where id = any($1) order by id for no key update',
    values: [ids],
  });
  const result = await client.query({
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
             from told where code is not null order by id`,
    values: [
      ids,
      inOrder.map(({ run }) => run.eventSeq),
      inOrder.map(({ run }) => run.blocker),
      inOrder.map(({ code }) => code),
      inOrder.map(({ message }) => message),
      now,
    ],
  });
  return result.rowCount ?? 0;
}
