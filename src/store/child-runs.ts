import type pg from 'pg';
import { type CallingBlock, type EarlierChild, mostCalls } from '../domain/child-run.ts';
import type { PipelineRunStatus } from '../domain/lifecycle.ts';

type Client = pg.ClientBase | pg.Pool;

/** A block run that starts other runs, with its run. */
export type ParentBlock = CallingBlock & {
  readonly pipelineRunId: bigint;
  readonly runAttempt: number;
};

/**
 * Locks the run of a block run, then reads both; null when there is none. Must be called inside a transaction: from then on nobody
 * can end the block run or tell it to stop before the transaction is over.
 */
export async function lockParent(
  client: pg.ClientBase,
  blockRunId: number,
  fence: number,
): Promise<ParentBlock | null> {
  await client.query({
    name: 'lock-parent',
    text: `select 1 from pipeline_run where id = (select pipeline_run_id from block_run where id = $1) for no key update`,
    values: [blockRunId],
  });
  const result = await client.query<ParentBlock>({
    name: 'parent-block',
    text: `select r.id as "pipelineRunId", r.attempt as "runAttempt", r.depth, b.block_uuid as uuid, b.retries,
                  b.status = 'running' and b.fence = $2 and not b.stop_requested and r.status = 'running' as "isCurrent"
             from block_run b join pipeline_run r on r.id = b.pipeline_run_id where b.id = $1`,
    values: [blockRunId, fence],
  });
  return result.rows[0] ?? null;
}

/** The newest run that this call of the block run has made in this attempt of its run; null when there is none. */
export async function newestChildOfCall(
  client: pg.ClientBase,
  blockRunId: number,
  runAttempt: number,
  call: number,
): Promise<EarlierChild | null> {
  const result = await client.query<EarlierChild>({
    name: 'child-of-call',
    text: `select id, parent_call as key, status, parent_waits as waits from pipeline_run
            where parent_block_run_id = $1 and parent_run_attempt = $2 and parent_call % $4 = $3
            order by parent_call desc limit 1`,
    values: [blockRunId, runAttempt, call, mostCalls],
  });
  return result.rows[0] ?? null;
}

/** Notes which run a running block waits for; null: none any more. Without effect when its attempt is not the one that counts. */
export async function noteAwaitedChild(
  client: Client,
  blockRunId: number,
  fence: number,
  childRunId: bigint | null,
): Promise<void> {
  await client.query({
    name: 'note-awaited-child',
    text: `update block_run set child_run_id = $3 where id = $1 and fence = $2 and status = 'running' and child_run_id is distinct from $3`,
    values: [blockRunId, fence, childRunId],
  });
}

/** How a run stands, for the block that has started it. */
export type ChildState = {
  readonly id: bigint;
  readonly pipelineUuid: string;
  readonly status: PipelineRunStatus;
  readonly reason: string | null;
  readonly executionDate: Date;
};

/** How the runs stand, in no order; those that were deleted are left out. */
export async function childStates(client: Client, ids: readonly bigint[]): Promise<readonly ChildState[]> {
  const result = await client.query<ChildState>({
    name: 'child-states',
    text: `select id, pipeline_uuid as "pipelineUuid", status, reason_message as reason, execution_date as "executionDate"
             from pipeline_run where id = any($1)`,
    values: [ids],
  });
  return result.rows;
}

/**
 * Runs that a block waited for, whose attempt is over: it ended, was told to stop, or is tried again. An attempt that was lost with
 * its worker is not over, as the next one finds its runs. At most 100, oldest first.
 */
export async function orphanedChildren(client: Client): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'orphaned-children',
    text: `select c.id from pipeline_run c
             left join block_run b on b.id = c.parent_block_run_id
             left join pipeline_run p on p.id = c.parent_run_id
            where c.parent_waits and c.status in ('initial', 'running') and c.ending_status is distinct from 'cancelled'
              and (b.id is null or p.id is null or b.status not in ('queued', 'running') or b.stop_requested
                   or p.attempt <> c.parent_run_attempt or c.parent_call / ${mostCalls} < b.retries)
            order by c.id limit 100`,
  });
  return result.rows.map((row) => row.id);
}

/** Whether some block waits for a run that has not ended. */
export async function areSomeAwaited(client: Client): Promise<boolean> {
  const result = await client.query<{ some: boolean }>({
    name: 'some-awaited',
    text: `select exists (select 1 from pipeline_run where parent_waits and status in ('initial', 'running')) as some`,
  });
  return result.rows[0]?.some ?? false;
}

/** Of the newest run of a pipeline for a logical date after `after` and up to `until`: whether it, or one of its blocks, completed. */
export async function hasCompleted(
  client: Client,
  asked: {
    readonly pipelineUuid: string;
    readonly blockUuid: string | null;
    readonly after: Date;
    readonly until: Date;
  },
): Promise<boolean> {
  const result = await client.query<{ completed: boolean }>({
    name: 'has-completed',
    text: `select case when $2::text is null then r.status = 'completed'
                       else exists (select 1 from block_run b
                                     where b.pipeline_run_id = r.id and b.block_uuid = $2 and b.status = 'completed') end as completed
             from pipeline_run r
            where r.pipeline_uuid = $1 and r.execution_date > $3 and r.execution_date <= $4
            order by r.execution_date desc, r.id desc limit 1`,
    values: [asked.pipelineUuid, asked.blockUuid, asked.after, asked.until],
  });
  return result.rows[0]?.completed ?? false;
}
