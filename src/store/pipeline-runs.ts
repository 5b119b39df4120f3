import type pg from 'pg';
import { defaultCrashRetries, executableBlocks, type JsonObject, type PipelineDefinition } from '../domain/pipeline.ts';

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
  // Without what most blocks have: the function knows it.
  const specs = blocks.map((block) => ({
    uuid: block.uuid,
    upstream: block.upstreamBlocks.length > 0 ? placesOf(block.upstreamBlocks) : undefined,
    downstream: block.downstreamBlocks.length > 0 ? placesOf(block.downstreamBlocks) : undefined,
    rule: block.triggerRule === 'all_success' ? undefined : block.triggerRule,
    label: block.label === 'default' ? undefined : block.label,
    crashRetries: block.crashRetries === defaultCrashRetries ? undefined : block.crashRetries,
    timeoutSeconds: block.timeoutSeconds ?? undefined,
    callbacks: block.callbacks.length > 0 ? block.callbacks : undefined,
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
    text: 'select create_run($1::jsonb, $2::jsonb, $3, $4) as id',
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
