import type pg from 'pg';
import type { RunError } from '../domain/lifecycle.ts';
import type { OutputManifest } from '../domain/outputs.ts';

type Client = pg.ClientBase | pg.Pool;

export type CallbackKind = 'success' | 'failure' | 'cancelled';

/** A callback run that this worker holds from now on, with what it needs to start. Ids are numbers: they stay below 2^53. */
export type CallbackClaim = {
  readonly id: number;
  readonly fence: number;
  readonly uuid: string;
  readonly kind: CallbackKind;
  readonly run: number;
  readonly runAttempt: number;
  readonly runStatus: string;
  readonly pipeline: string;
  readonly version: string;
  /** The block run that ended, and how. */
  readonly blockRun: number;
  readonly blockUuid: string;
  readonly attempt: number;
  readonly blockFence: number;
  readonly outputs: readonly OutputManifest[] | null;
  readonly error: RunError | null;
};

/** Claims up to `want` callback runs of a label, oldest first. Those that another worker is taking are skipped. */
export async function claimCallbacks(
  client: Client,
  workerId: bigint,
  label: string,
  want: number,
  now: Date,
): Promise<readonly CallbackClaim[]> {
  const result = await client.query<{ claim: CallbackClaim }>({
    name: 'claim-callbacks',
    text: `with claimed as (
             update callback_run c set status = 'running', worker_id = $1, fence = c.fence + 1, started_at = $4
              where c.id = any(array(select q.id from callback_run q where q.status = 'queued' and q.label = $2
                                      order by q.id limit $3 for update skip locked))
             returning c.*)
           select json_build_object(
                    'id', c.id, 'fence', c.fence, 'uuid', c.callback_uuid, 'kind', c.kind, 'run', r.id, 'runAttempt', c.run_attempt,
                    'runStatus', coalesce(r.ending_status, r.status), 'pipeline', r.pipeline_uuid, 'version', r.code_version,
                    'blockRun', b.id, 'blockUuid', b.block_uuid, 'attempt', c.attempt, 'blockFence', b.fence,
                    'outputs', b.outputs, 'error', b.error) as claim
             from claimed c join pipeline_run r on r.id = c.pipeline_run_id join block_run b on b.id = c.block_run_id
            order by c.id`,
    values: [workerId, label, want, now],
  });
  return result.rows.map((row) => row.claim);
}

/**
 * Ends a callback run that its worker still holds, and takes it off what its run waits for. One that failed leaves an event. To be
 * called in a transaction; answers how many callback runs are left to wait for, null when it was not this worker's any more.
 */
export async function endCallback(
  client: pg.ClientBase,
  end: {
    readonly id: bigint;
    readonly runId: bigint;
    readonly fence: number;
    readonly workerId: bigint;
    readonly error: RunError | null;
  },
  now: Date,
): Promise<number | null> {
  await client.query('select 1 from pipeline_run where id = $1 for no key update', [end.runId]);
  const ended = await client.query<{ left: number }>({
    name: 'end-callback',
    text: `with ended as (
             update callback_run c
                set status = case when $5::jsonb is null then 'completed' else 'failed' end, completed_at = $6, error = $5::jsonb
              where c.id = $1 and c.fence = $3 and c.worker_id = $4 and c.status = 'running'
             returning c.*),
           moved as (
             update pipeline_run r
                set callbacks_open = r.callbacks_open - 1, needs_settling = r.needs_settling or r.callbacks_open = 1,
                    event_seq = r.event_seq + case when $5::jsonb is null then 0 else 1 end
               from ended e where r.id = $2 and r.id = e.pipeline_run_id
             returning r.*),
           told as (
             insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, reason_code, reason_message)
               select m.id, m.event_seq, $6, 'callback_failed', m.pipeline_uuid, m.attempt, b.id, b.block_uuid, e.attempt, 'OTHER',
                      'Its callback ' || e.callback_uuid || ' failed: ' || ($5::jsonb ->> 'message')
                 from moved m, ended e join block_run b on b.id = e.block_run_id
                where $5::jsonb is not null)
           select callbacks_open as left from moved`,
    values: [end.id, end.runId, end.fence, end.workerId, end.error === null ? null : JSON.stringify(end.error), now],
  });
  return ended.rows[0]?.left ?? null;
}

/**
 * Gives back what a worker holds by the store and does not know of: claims whose answer was lost. To be asked while no claim of the
 * worker is on its way. Answers how many there were.
 */
export async function giveBackUnknownCallbacks(
  client: Client,
  workerId: bigint,
  known: readonly number[],
): Promise<number> {
  const result = await client.query({
    name: 'give-back-unknown-callbacks',
    text: `update callback_run set status = 'queued', worker_id = null, started_at = null
            where status = 'running' and worker_id = $1 and id <> all($2::bigint[])`,
    values: [workerId, known],
  });
  return result.rowCount ?? 0;
}

/** Gives a callback run back unharmed: its worker goes away. */
export async function giveBackCallback(client: Client, workerId: bigint, id: bigint, fence: number): Promise<void> {
  await client.query({
    name: 'give-back-callback',
    text: `update callback_run set status = 'queued', worker_id = null, started_at = null
            where id = $1 and fence = $2 and worker_id = $3 and status = 'running'`,
    values: [id, fence, workerId],
  });
}

/** What a worker that is lost held: those that are forgiven are queued again, the others are to be ended. */
export async function releaseCallbacks(
  client: Client,
  workerId: bigint,
): Promise<{
  readonly queued: number;
  readonly spent: readonly { readonly id: bigint; readonly runId: bigint; readonly fence: number }[];
}> {
  const queued = await client.query({
    name: 'requeue-lost-callbacks',
    text: `update callback_run set status = 'queued', worker_id = null, started_at = null, losses = losses + 1
            where status = 'running' and worker_id = $1 and losses = 0`,
    values: [workerId],
  });
  const spent = await client.query<{ id: bigint; runId: bigint; fence: number }>({
    name: 'spent-callbacks',
    text: `select id, pipeline_run_id as "runId", fence from callback_run where status = 'running' and worker_id = $1`,
    values: [workerId],
  });
  return { queued: queued.rowCount ?? 0, spent: spent.rows };
}
