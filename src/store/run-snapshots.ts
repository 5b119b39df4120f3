import type pg from 'pg';
import type { PipelineRunStatus, RunError, StatusReason, StatusReasonCode } from '../domain/lifecycle.ts';
import type { TriggerRule } from '../domain/pipeline.ts';
import type { BlockRunSnapshot, RunSnapshot } from '../domain/run.ts';

type Client = pg.ClientBase | pg.Pool;

type RunRow = {
  id: bigint;
  status: PipelineRunStatus;
  ending_status: PipelineRunStatus | null;
  reason_code: StatusReasonCode | null;
  reason_message: string | null;
  reason_actor: string | null;
  attempt: number;
  allow_blocks_to_fail: boolean;
  block_run_limit: number | null;
  callbacks_open: number;
  is_cancel_requested: boolean;
};

type BlockRow = {
  id: bigint;
  block_uuid: string;
  status: BlockRunSnapshot['status'];
  attempt: number;
  upstream: bigint[];
  trigger_rule: TriggerRule;
  stop_requested: boolean;
  reason_code: StatusReasonCode | null;
  reason_message: string | null;
  reason_actor: string | null;
  error: RunError | null;
  takes_place: boolean;
  comes_back_at: Date | null;
  is_between_calls: boolean;
  owes_callbacks: boolean;
};

/** Locks the run's row, then reads it and its block runs; null when it doesn't exist. Must be called inside a transaction. */
export async function lockRun(client: pg.ClientBase, runId: bigint): Promise<RunSnapshot | null> {
  return (await lockRuns(client, [runId])).get(runId) ?? null;
}

/** As `lockRun`, for many: their rows are locked in the one order, ascending, all at once. Those that don't exist are left out. */
export function lockRuns(client: pg.ClientBase, runIds: readonly bigint[]): Promise<ReadonlyMap<bigint, RunSnapshot>> {
  return loadRuns(client, runIds, 'lock-runs', 'for no key update');
}

/** As `lockRuns`, but nothing is locked: what it says may be over when it is read. */
export function readRuns(client: Client, runIds: readonly bigint[]): Promise<ReadonlyMap<bigint, RunSnapshot>> {
  return loadRuns(client, runIds, 'read-runs', '');
}

async function loadRuns(
  client: Client,
  runIds: readonly bigint[],
  name: string,
  lock: 'for no key update' | '',
): Promise<ReadonlyMap<bigint, RunSnapshot>> {
  const runs = await client.query<RunRow>({
    name,
    text: `select id, status, ending_status, reason_code, reason_message, reason_actor, attempt, allow_blocks_to_fail, block_run_limit, callbacks_open,
                  cancel_requested_at is not null as is_cancel_requested
             from pipeline_run where id = any($1) order by id ${lock}`,
    values: [runIds],
  });
  const blocks = await client.query<BlockRow & { pipeline_run_id: bigint }>({
    name: 'blocks-of-runs',
    text: `select id, pipeline_run_id, block_uuid, status, attempt, upstream, trigger_rule, stop_requested, reason_code, reason_message,
                  reason_actor, error, status = 'running' and worker_id is null as is_between_calls,
                  case status when 'queued' then next_attempt_at is null when 'running' then worker_id is not null and child_run_id is null
                              else false end as takes_place,
                  case when status = 'queued' or status = 'running' and worker_id is null then next_attempt_at end as comes_back_at,
                  callbacks <> '{}' and started_at is not null as owes_callbacks
             from block_run where pipeline_run_id = any($1) order by position, dynamic_index`,
    values: [runIds],
  });
  const blocksOf = Map.groupBy(blocks.rows, (row) => row.pipeline_run_id);
  return new Map(runs.rows.map((run) => [run.id, snapshotOf(run, blocksOf.get(run.id) ?? [])]));
}

function snapshotOf(run: RunRow, blocks: readonly BlockRow[]): RunSnapshot {
  return {
    id: run.id,
    status: run.status,
    endingStatus: run.ending_status,
    reason: reasonOf(run),
    attempt: run.attempt,
    allowBlocksToFail: run.allow_blocks_to_fail,
    blockRunLimit: run.block_run_limit,
    openCallbacks: run.callbacks_open,
    isCancelRequested: run.is_cancel_requested,
    blocks: blocks.map((row) => ({
      id: row.id,
      uuid: row.block_uuid,
      status: row.status,
      attempt: row.attempt,
      upstream: row.upstream,
      triggerRule: row.trigger_rule,
      stopRequested: row.stop_requested,
      reason: reasonOf(row),
      error: row.error,
      takesPlace: row.takes_place,
      comesBackAt: row.comes_back_at,
      isBetweenCalls: row.is_between_calls,
      owesCallbacks: row.owes_callbacks,
    })),
  };
}

/** Runs that a planner has to look at, oldest first, at most 100. */
export async function unsettledRuns(client: Client): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'unsettled-runs',
    text: 'select id from pipeline_run where needs_settling order by id limit 100',
  });
  return result.rows.map((row) => row.id);
}

function reasonOf(row: {
  reason_code: StatusReasonCode | null;
  reason_message: string | null;
  reason_actor: string | null;
}): StatusReason | null {
  return row.reason_code ? { code: row.reason_code, message: row.reason_message ?? '', actor: row.reason_actor } : null;
}
