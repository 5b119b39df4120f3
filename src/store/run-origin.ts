import type pg from 'pg';
import type { StatusReason } from '../domain/lifecycle.ts';
import type { JsonObject } from '../domain/pipeline.ts';

/** What a run was made from, as far as a retry carries it on. */
export type RunOrigin = {
  readonly pipelineUuid: string;
  readonly codeVersion: string;
  readonly triggerId: bigint | null;
  readonly triggerName: string | null;
  readonly rootRunId: bigint | null;
  readonly executionDate: Date;
  readonly variables: JsonObject;
  readonly eventVariables: JsonObject | null;
  readonly allowBlocksToFail: boolean;
  readonly timeoutSeconds: number | null;
  readonly timeoutStatus: 'failed' | 'cancelled' | 'warning';
  readonly slaSeconds: number | null;
  /** The newest run that repeats this one as a whole; null when none does. */
  readonly newestRetryId: bigint | null;
};

/** The origins of runs, by their ids; those that don't exist are left out. */
export async function runOrigins(
  client: pg.ClientBase | pg.Pool,
  runIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, RunOrigin>> {
  const result = await client.query<RunOrigin & { readonly id: bigint }>({
    name: 'run-origins',
    text: `select id, pipeline_uuid as "pipelineUuid", code_version as "codeVersion", trigger_id as "triggerId", trigger_name as "triggerName",
                  root_run_id as "rootRunId", execution_date as "executionDate", variables, event_variables as "eventVariables",
                  allow_blocks_to_fail as "allowBlocksToFail", timeout_seconds as "timeoutSeconds",
                  coalesce(timeout_status, 'failed') as "timeoutStatus", sla_seconds as "slaSeconds",
                  case when not is_newest then (select max(c.id) from pipeline_run c where c.retry_of_id = r.id) end as "newestRetryId"
             from pipeline_run r where id = any($1)`,
    values: [runIds],
  });
  return new Map(result.rows.map(({ id, ...origin }) => [id, origin]));
}

/** A retry of the run that has not ended; null when there is none. */
export async function hasOpenRetry(client: pg.ClientBase | pg.Pool, runId: bigint): Promise<bigint | null> {
  const result = await client.query<{ id: bigint }>({
    name: 'open-retry',
    text: `select id from pipeline_run where retry_of_id = $1 and status in ('initial', 'running') limit 1`,
    values: [runId],
  });
  return result.rows[0]?.id ?? null;
}

/** A newer run repeats this one, which the caller's transaction has locked: it is not the newest of its chain any more, and its history says why. */
export async function markRetried(client: pg.ClientBase, runId: bigint, why: StatusReason, now: Date): Promise<void> {
  await client.query({
    name: 'mark-retried',
    text: `with marked as (
             update pipeline_run set is_newest = false, event_seq = event_seq + 1 where id = $1
             returning id, event_seq, pipeline_uuid, attempt)
           insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, actor, reason_code, reason_message)
           select id, event_seq, $2, 'run_retried', pipeline_uuid, attempt, $3, $4, $5 from marked`,
    values: [runId, now, why.actor, why.code, why.message],
  });
}
