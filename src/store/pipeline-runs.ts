import type pg from 'pg';
import type { PipelineRunStatus, RunError, StatusReason, StatusReasonCode } from '../domain/lifecycle.ts';
import type { JsonObject, PipelineDefinition, TriggerRule } from '../domain/pipeline.ts';
import { executableBlocks } from '../domain/pipeline.ts';
import type { BlockRunSnapshot, RunPlan, RunSnapshot } from '../domain/run.ts';
import { planHistory } from '../domain/run-history.ts';

type Client = pg.ClientBase | pg.Pool;

/** What a new run is made from. */
export type NewRun = {
  readonly pipelineUuid: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly definition: PipelineDefinition;
  readonly triggerId: bigint | null;
  readonly triggerName: string | null;
  readonly retryOfId: bigint | null;
  readonly rootRunId: bigint | null;
  readonly cause: 'schedule' | 'manual' | 'api' | 'parent' | 'retry';
  readonly createdBy: string | null;
  readonly executionDate: Date;
  readonly variables: JsonObject;
  readonly eventVariables: JsonObject | null;
  readonly allowBlocksToFail: boolean;
  readonly timeoutSeconds: number | null;
  readonly timeoutStatus: 'failed' | 'cancelled' | 'warning';
  readonly slaSeconds: number | null;
  readonly slaDeadline: Date | null;
  readonly idempotencyKey: string | null;
  readonly idempotencyHash: string | null;
  /** The block of another run that starts it. */
  readonly parent?: {
    readonly runId: bigint;
    readonly blockRunId: bigint;
    readonly runAttempt: number;
    readonly call: number;
    readonly waits: boolean;
    readonly depth: number;
  };
};

/**
 * Creates a run with its block runs and its first event, and starts it in the same transaction if told to; null when another run of
 * the pipeline holds the idempotency key.
 */
export async function createRun(
  client: Client,
  run: NewRun,
  now: Date,
  options: { readonly start?: boolean } = {},
): Promise<bigint | null> {
  const blocks = executableBlocks(run.definition);
  const places = new Map(blocks.map((block, index) => [block.uuid, index + 1]));
  const placesOf = (uuids: readonly string[]) => uuids.flatMap((uuid) => places.get(uuid) ?? []);
  const specs = blocks.map((block) => ({
    uuid: block.uuid,
    upstream: placesOf(block.upstreamBlocks),
    downstream: placesOf(block.downstreamBlocks),
    rule: block.triggerRule,
    label: block.label,
    crashRetries: block.crashRetries,
    timeoutSeconds: block.timeoutSeconds,
    ...(block.callbacks.length > 0 ? { callbacks: block.callbacks } : {}),
  }));
  const row = {
    pipeline_uuid: run.pipelineUuid,
    pipeline_version: run.version,
    tags: run.tags,
    trigger_id: run.triggerId?.toString() ?? null,
    trigger_name: run.triggerName,
    retry_of_id: run.retryOfId?.toString() ?? null,
    root_run_id: run.rootRunId?.toString() ?? null,
    cause: run.cause,
    created_by: run.createdBy,
    execution_date: run.executionDate,
    variables: run.variables,
    event_variables: run.eventVariables,
    allow_blocks_to_fail: run.allowBlocksToFail,
    timeout_seconds: run.timeoutSeconds,
    timeout_status: run.timeoutStatus,
    sla_seconds: run.slaSeconds,
    sla_deadline: run.slaDeadline,
    idempotency_key: run.idempotencyKey,
    idempotency_hash: run.idempotencyHash,
    parent_run_id: run.parent?.runId.toString() ?? null,
    parent_block_run_id: run.parent?.blockRunId.toString() ?? null,
    parent_run_attempt: run.parent?.runAttempt ?? null,
    parent_call: run.parent?.call ?? null,
    parent_waits: run.parent?.waits ?? false,
    depth: run.parent?.depth ?? 0,
    has_callbacks: blocks.some((block) => block.callbacks.length > 0),
    block_run_limit: run.definition.concurrency.blockRunLimit,
  };
  const result = await client.query<{ id: bigint | null }>({
    name: 'create-run',
    text: `with created as materialized (select create_run($1::jsonb, $2::jsonb, $3) as id)
           select id, case when $4::boolean and id is not null then start_runs(array[id], $3) end as started from created`,
    values: [JSON.stringify(row), JSON.stringify(specs), now, options.start ?? false],
  });
  return result.rows[0]?.id ?? null;
}

/** The run that holds an idempotency key, with the hash of the input that made it. */
export async function findRunByKey(
  client: Client,
  pipelineUuid: string,
  key: string,
): Promise<{ readonly id: bigint; readonly hash: string | null } | null> {
  const result = await client.query<{ id: bigint; idempotency_hash: string | null }>({
    name: 'run-by-key',
    text: 'select id, idempotency_hash from pipeline_run where pipeline_uuid = $1 and idempotency_key = $2',
    values: [pipelineUuid, key],
  });
  const row = result.rows[0];
  return row ? { id: row.id, hash: row.idempotency_hash } : null;
}

/** Starts those of `runs` that are still initial; answers which. */
export async function startRuns(client: Client, runs: readonly bigint[], now: Date): Promise<readonly bigint[]> {
  const result = await client.query<{ started: bigint[] }>({
    name: 'start-runs',
    text: 'select start_runs($1, $2) as started',
    values: [runs, now],
  });
  return result.rows[0]?.started ?? [];
}

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
      isBetweenCalls: row.is_between_calls,
      owesCallbacks: row.owes_callbacks,
    })),
  };
}

/** What a retry in place changes on the run besides its block runs. */
export type RetryChange = {
  readonly attempt: number;
  readonly mode: 'incomplete' | 'from_block';
  readonly fromBlock: string | null;
  readonly actor: string;
  readonly why: string | null;
  readonly codeVersion: string;
  readonly variables: JsonObject;
};

export type PlanOptions = {
  readonly retry?: RetryChange;
  readonly cancelRequested?: boolean;
  /** The planner has to look at the run again: set by plans that settle nothing themselves. */
  readonly settleAfter?: boolean;
};

/** A decision about one run, ready to be carried out. */
export type PlannedRun = { readonly run: RunSnapshot; readonly plan: RunPlan; readonly options?: PlanOptions };

/** Carries out a plan on a run that `lockRun` locked in the same transaction. */
export function applyRunPlan(
  client: pg.ClientBase,
  run: RunSnapshot,
  plan: RunPlan,
  now: Date,
  options: PlanOptions = {},
): Promise<void> {
  return applyRunPlans(client, [{ run, plan, options }], now);
}

/** Carries out plans on runs that `lockRuns` locked in the same transaction, each run once. */
export async function applyRunPlans(client: pg.ClientBase, plans: readonly PlannedRun[], now: Date): Promise<void> {
  if (plans.length === 0) return;
  const changes: object[] = [];
  const events: object[] = [];
  const errors: object[] = [];
  const stop: bigint[] = [];
  const reasons = reasonTable();
  const blocks: BlockColumns = { run: [], id: [], from: [], to: [], reason: [], pending: [], bump: [], seq: [] };
  for (const { run, plan, options = {} } of plans) {
    const runId = run.id.toString();
    const history = planHistory(run, plan);
    changes.push({ run: runId, change: changeOf(plan, options), events: history.length });
    const told = new Map<string, number>();
    const moved = new Set(plan.blocks.map(({ block }) => block.id.toString()));
    for (const [index, entry] of history.entries()) {
      const n = index + 1;
      const { kind, blockRunId } = entry;
      // The entry of a block's change says what the change says: it is written from that.
      if (kind === 'block_status_changed' && blockRunId && moved.has(blockRunId)) told.set(blockRunId, n);
      else events.push({ run: runId, n, ...entry });
    }
    for (const { block, to, reason, pendingUpstream, bumpFence, error } of plan.blocks) {
      const id = block.id.toString();
      blocks.run.push(runId);
      blocks.id.push(id);
      blocks.from.push(block.status);
      blocks.to.push(to);
      blocks.reason.push(reasons.place(reason));
      blocks.pending.push(pendingUpstream ?? null);
      blocks.bump.push(bumpFence ?? false);
      blocks.seq.push(told.get(id) ?? null);
      if (error) errors.push({ id, error });
    }
    for (const block of plan.stop) stop.push(block.id);
  }
  await client.query({
    name: 'apply-run-plans',
    text: 'select apply_run_plans($1::jsonb, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15::jsonb, $16)',
    values: [
      JSON.stringify(changes),
      ...[blocks.run, blocks.id, blocks.from, blocks.to, blocks.reason, blocks.pending, blocks.bump, blocks.seq].map(
        arrayLiteral,
      ),
      reasons.codes,
      reasons.messages,
      reasons.actors,
      JSON.stringify(errors),
      stop,
      JSON.stringify(events),
      now,
    ],
  });
}

type BlockColumns = {
  readonly run: string[];
  readonly id: string[];
  readonly from: BlockRunSnapshot['status'][];
  readonly to: BlockRunSnapshot['status'][];
  readonly reason: (number | null)[];
  readonly pending: (number | null)[];
  readonly bump: boolean[];
  readonly seq: (number | null)[];
};

/** An array of numbers or status names, as Postgres reads it. For a thousand of them the driver takes longer than Postgres. */
function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join()}}`;
}

/** Most changes have one reason: it is sent once, and named by its place, counted from 1. */
function reasonTable() {
  const places = new Map<string, number>();
  const codes: string[] = [];
  const messages: string[] = [];
  const actors: (string | null)[] = [];
  let last: { readonly reason: StatusReason; readonly place: number } | null = null;
  return {
    codes,
    messages,
    actors,
    place(reason: StatusReason | null): number | null {
      if (reason === null) return null;
      if (last?.reason === reason) return last.place;
      const key = JSON.stringify([reason.code, reason.message, reason.actor]);
      let place = places.get(key);
      if (place === undefined) {
        place = codes.push(reason.code);
        messages.push(reason.message);
        actors.push(reason.actor);
        places.set(key, place);
      }
      last = { reason, place };
      return place;
    },
  };
}

/** What a plan changes on the run itself. */
function changeOf(plan: RunPlan, options: PlanOptions): Record<string, unknown> {
  const change: Record<string, unknown> = {
    actor: plan.stopReason?.actor ?? options.retry?.actor ?? null,
    stopCode: plan.stopReason?.code ?? null,
    stopMessage: plan.stopReason?.message ?? null,
  };
  if (plan.to !== null) change.status = plan.to;
  if (plan.ending !== null && plan.to === null) change.endingStatus = plan.ending;
  if (plan.to !== null) change.endingStatus = null;
  if (plan.to !== null && plan.to !== 'initial') change.clearDeadline = true;
  if (plan.reason !== null || plan.to === 'initial') {
    change.reasonCode = plan.reason?.code ?? null;
    change.reasonMessage = plan.reason?.message ?? null;
    change.reasonActor = plan.reason?.actor ?? null;
  }
  if (plan.error !== null) change.error = plan.error;
  if (options.settleAfter) change.settleAfter = true;
  if (options.cancelRequested !== undefined) change.cancelRequested = options.cancelRequested;
  if (options.retry) {
    Object.assign(change, options.retry, { error: null, cancelRequested: false, timedOut: false });
  }
  if (plan.announcements.some((entry) => entry.kind === 'timed_out')) change.timedOut = true;
  return change;
}

/** Runs that a planner has to look at, oldest first, at most 100. */
export async function unsettledRuns(client: Client): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'unsettled-runs',
    text: 'select id from pipeline_run where needs_settling order by id limit 100',
  });
  return result.rows.map((row) => row.id);
}

/** Running runs whose deadline has passed at `now`, with the outcome that their timeout asks for; those on their way to an end are left alone. */
export async function runsPastDeadline(
  client: Client,
  now: Date,
): Promise<
  readonly { readonly id: bigint; readonly timeoutStatus: string | null; readonly timeoutSeconds: number | null }[]
> {
  const result = await client.query<{ id: bigint; timeout_status: string | null; timeout_seconds: number | null }>({
    name: 'runs-past-deadline',
    text: `select id, timeout_status, timeout_seconds from pipeline_run
            where timeout_at is not null and status = 'running' and ending_status is null and timeout_at <= $1 order by id limit 100`,
    values: [now],
  });
  return result.rows.map((row) => ({
    id: row.id,
    timeoutStatus: row.timeout_status,
    timeoutSeconds: row.timeout_seconds,
  }));
}

function reasonOf(row: {
  reason_code: StatusReasonCode | null;
  reason_message: string | null;
  reason_actor: string | null;
}): StatusReason | null {
  return row.reason_code ? { code: row.reason_code, message: row.reason_message ?? '', actor: row.reason_actor } : null;
}
