import type pg from 'pg';
import type { AdmissionSnapshot, PipelineLimits } from '../domain/admission.ts';
import type { ConcurrencyConfig } from '../domain/pipeline.ts';

type Client = pg.ClientBase | pg.Pool;

/** At most this many initial runs of each group are looked at in one go, the first in start order; the next go sees the rest. */
export const headOfGroup = 100;

/** The class of the advisory lock under which runs of a pipeline are admitted. */
const pipelineLockClass = 7403;

/**
 * Takes a pipeline's lock until the transaction ends: what is counted against its limits then stays counted until what starts has
 * started. Taken before any run row, and in admission alone (docs/database.md).
 */
export async function lockPipeline(client: pg.ClientBase, pipelineUuid: string): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1, hashtext($2))', [pipelineLockClass, pipelineUuid]);
}

/** Reads what admission decides from: the head of each group of initial runs, what runs beside them, and the limits. Of one pipeline, or of all. */
export async function admissionSnapshot(client: Client, pipelineUuid: string | null): Promise<AdmissionSnapshot> {
  const candidates = await initialRuns(client, pipelineUuid);
  if (candidates.length === 0) return { candidates, running: [], limits: new Map(), triggerLimits: new Map() };
  const pipelines = [...new Set(candidates.map((candidate) => candidate.pipelineUuid))];
  const triggers = [...new Set(candidates.flatMap((candidate) => candidate.triggerId ?? []))];
  const limits = await pipelineLimits(client, pipelines);
  const triggerLimits = await limitsOfTriggers(client, triggers);
  const counted = triggerLimits.size > 0 ? pipelines : [...limits.keys()];
  return { candidates, running: await runningByGroup(client, counted), limits, triggerLimits };
}

/**
 * The first initial runs of each group in start order. The groups are found by stepping through the index from one to the next, so
 * that a crowd in one costs the others nothing.
 */
async function initialRuns(client: Client, pipelineUuid: string | null): Promise<AdmissionSnapshot['candidates']> {
  const [only, after] =
    pipelineUuid === null
      ? ['', '(pipeline_uuid, coalesce(trigger_id, 0)) > (g.pipeline_uuid, g.trigger_key)']
      : ['and pipeline_uuid = $1', 'coalesce(trigger_id, 0) > g.trigger_key'];
  const result = await client.query<{
    id: bigint;
    pipeline_uuid: string;
    trigger_id: bigint | null;
    execution_date: Date;
    is_of_backfill: boolean;
    is_skippable: boolean;
  }>({
    name: pipelineUuid === null ? 'initial-runs' : 'initial-runs-of-pipeline',
    text: `with recursive groups as (
             (select pipeline_uuid, coalesce(trigger_id, 0) as trigger_key from pipeline_run
               where status = 'initial' ${only} order by pipeline_uuid, coalesce(trigger_id, 0) limit 1)
             union all
             select next.* from groups g cross join lateral (
               select pipeline_uuid, coalesce(trigger_id, 0) from pipeline_run
                where status = 'initial' ${only} and ${after}
                order by pipeline_uuid, coalesce(trigger_id, 0) limit 1) next)
           select head.* from groups g cross join lateral (
             select r.id, r.pipeline_uuid, r.trigger_id, r.execution_date, r.cause = 'backfill' as is_of_backfill,
                    r.cause in ('schedule', 'event', 'webhook') and r.attempt = 1 as is_skippable
               from pipeline_run r
              where r.status = 'initial' and r.pipeline_uuid = g.pipeline_uuid and coalesce(r.trigger_id, 0) = g.trigger_key
              order by r.cause = 'backfill', r.execution_date, r.id limit ${headOfGroup}) head`,
    values: pipelineUuid === null ? [] : [pipelineUuid],
  });
  return result.rows.map((row) => ({
    id: row.id,
    pipelineUuid: row.pipeline_uuid,
    triggerId: row.trigger_id,
    executionDate: row.execution_date,
    isOfBackfill: row.is_of_backfill,
    isSkippable: row.is_skippable,
  }));
}

/** The limits of those pipelines that have any, as their present definitions say. */
export async function pipelineLimits(
  client: Client,
  pipelines: readonly string[],
): Promise<ReadonlyMap<string, PipelineLimits>> {
  const result = await client.query<{ uuid: string; concurrency: ConcurrencyConfig }>({
    name: 'pipeline-limits',
    text: `select p.uuid, v.definition -> 'concurrency' as concurrency
             from pipeline p join pipeline_version v on v.pipeline_uuid = p.uuid and v.version = p.version where p.uuid = any($1)`,
    values: [pipelines],
  });
  return new Map(
    result.rows
      .filter(({ concurrency: c }) => c.pipelineRunLimit !== null || c.pipelineRunLimitAllTriggers !== null)
      .map(({ uuid, concurrency }) => [
        uuid,
        {
          perGroup: concurrency.pipelineRunLimit,
          allTriggers: concurrency.pipelineRunLimitAllTriggers,
          onReached: concurrency.onPipelineRunLimitReached,
        },
      ]),
  );
}

/** The limits of those triggers that have one of their own. */
export async function limitsOfTriggers(
  client: Client,
  triggers: readonly bigint[],
): Promise<ReadonlyMap<bigint, number>> {
  if (triggers.length === 0) return new Map();
  const result = await client.query<{ id: bigint; limit: number }>({
    name: 'trigger-limits',
    text: `select id, (settings ->> 'pipelineRunLimit')::int as limit from trigger
            where id = any($1) and settings ->> 'pipelineRunLimit' is not null`,
    values: [triggers],
  });
  return new Map(result.rows.map((row) => [row.id, row.limit]));
}

async function runningByGroup(client: Client, pipelines: readonly string[]): Promise<AdmissionSnapshot['running']> {
  if (pipelines.length === 0) return [];
  const result = await client.query<{ pipeline_uuid: string; trigger_id: bigint | null; count: number }>({
    name: 'running-by-group',
    text: `select pipeline_uuid, trigger_id, count(*)::int as count from pipeline_run
            where status = 'running' and pipeline_uuid = any($1) group by 1, 2`,
    values: [pipelines],
  });
  return result.rows.map((row) => ({ pipelineUuid: row.pipeline_uuid, triggerId: row.trigger_id, count: row.count }));
}
