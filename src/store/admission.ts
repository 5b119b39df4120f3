import type pg from 'pg';
import type { AdmissionSnapshot } from '../domain/admission.ts';
import type { ConcurrencyConfig } from '../domain/pipeline.ts';

/** At most this many initial runs are looked at in one go; the next go sees the rest. */
const most = 1000;

/** Reads what admission decides from: the oldest initial runs, what runs beside them, and the limits of their pipelines. */
export async function admissionCandidates(client: pg.ClientBase | pg.Pool): Promise<AdmissionSnapshot> {
  const initial = await client.query<{
    id: bigint;
    pipeline_uuid: string;
    trigger_id: bigint | null;
    execution_date: Date;
  }>({
    name: 'initial-runs',
    text: `select id, pipeline_uuid, trigger_id, execution_date from pipeline_run
            where status = 'initial' order by created_at, id limit ${most}`,
  });
  if (initial.rows.length === 0) return { candidates: [], running: [], limits: new Map(), triggerLimits: new Map() };

  const pipelines = [...new Set(initial.rows.map((row) => row.pipeline_uuid))];
  const limits = await client.query<{ uuid: string; concurrency: ConcurrencyConfig }>({
    name: 'pipeline-limits',
    text: `select p.uuid, v.definition -> 'concurrency' as concurrency
             from pipeline p join pipeline_version v on v.pipeline_uuid = p.uuid and v.version = p.version where p.uuid = any($1)`,
    values: [pipelines],
  });
  const triggers = initial.rows.flatMap((row) => row.trigger_id ?? []);
  const triggerLimits = await client.query<{ id: bigint; limit: number }>({
    name: 'trigger-limits',
    text: `select id, (settings ->> 'pipelineRunLimit')::int as limit from trigger
            where id = any($1) and settings ->> 'pipelineRunLimit' is not null`,
    values: [triggers],
  });
  const limited = limits.rows.filter(
    ({ concurrency }) => concurrency.pipelineRunLimit !== null || concurrency.pipelineRunLimitAllTriggers !== null,
  );
  const counted = triggerLimits.rows.length > 0 ? pipelines : limited.map((row) => row.uuid);
  const running =
    counted.length === 0
      ? []
      : (
          await client.query<{ pipeline_uuid: string; trigger_id: bigint | null; count: number }>({
            name: 'running-by-group',
            text: `select pipeline_uuid, trigger_id, count(*)::int as count from pipeline_run
                    where status = 'running' and pipeline_uuid = any($1) group by 1, 2`,
            values: [counted],
          })
        ).rows;
  return {
    candidates: initial.rows.map((row) => ({
      id: row.id,
      pipelineUuid: row.pipeline_uuid,
      triggerId: row.trigger_id,
      executionDate: row.execution_date,
    })),
    running: running.map((row) => ({ pipelineUuid: row.pipeline_uuid, triggerId: row.trigger_id, count: row.count })),
    limits: new Map(
      limited.map(({ uuid, concurrency }) => [
        uuid,
        { perGroup: concurrency.pipelineRunLimit, allTriggers: concurrency.pipelineRunLimitAllTriggers },
      ]),
    ),
    triggerLimits: new Map(triggerLimits.rows.map((row) => [row.id, row.limit])),
  };
}
