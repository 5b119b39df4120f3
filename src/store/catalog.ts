import type pg from 'pg';
import type { DefinitionProblem, JsonObject, PipelineDefinition } from '../domain/pipeline.ts';
import { defaultTriggerSettings, type TriggerDefinition, type TriggerSettings } from '../domain/trigger.ts';
import type { Database } from './database.ts';

type Client = pg.ClientBase | pg.Pool;

/** A pipeline of the project folder, ready to be kept. */
export type CatalogEntry = {
  readonly uuid: string;
  readonly version: string;
  /** Even a pipeline with errors has one, as far as it could be read. */
  readonly definition: PipelineDefinition;
  readonly problems: readonly DefinitionProblem[];
  readonly isRunnable: boolean;
};

/** Keeps the pipelines as the folder has them now; what is gone from the folder is marked, not deleted, because its runs stay. */
export async function savePipelines(client: pg.ClientBase, entries: readonly CatalogEntry[], now: Date): Promise<void> {
  for (const entry of entries) {
    const { definition } = entry;
    await client.query({
      name: 'save-pipeline',
      text: `insert into pipeline (uuid, name, description, type, tags, version, problems, is_runnable, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)
             on conflict (uuid) do update set name = excluded.name, description = excluded.description, type = excluded.type,
               tags = excluded.tags, version = excluded.version, problems = excluded.problems, is_runnable = excluded.is_runnable,
               removed_at = null, updated_at = excluded.updated_at
             where (pipeline.name, pipeline.description, pipeline.type, pipeline.tags, pipeline.version, pipeline.problems, pipeline.is_runnable)
               is distinct from (excluded.name, excluded.description, excluded.type, excluded.tags, excluded.version, excluded.problems, excluded.is_runnable)
               or pipeline.removed_at is not null`,
      values: [
        entry.uuid,
        definition.name,
        definition.description,
        definition.type,
        definition.tags,
        entry.version,
        JSON.stringify(entry.problems),
        entry.isRunnable,
        now,
      ],
    });
    await client.query({
      name: 'save-pipeline-version',
      text: `insert into pipeline_version (pipeline_uuid, version, definition, created_at) values ($1, $2, $3::jsonb, $4) on conflict do nothing`,
      values: [entry.uuid, entry.version, JSON.stringify(definition), now],
    });
  }
  await client.query(
    'update pipeline set removed_at = $2, updated_at = $2 where removed_at is null and uuid <> all($1::text[])',
    [entries.map((entry) => entry.uuid), now],
  );
}

/** What a run is made from: the pipeline as it stands now. */
export type CurrentPipeline = CatalogEntry & { readonly tags: readonly string[] };

/** The pipeline as last read from the folder; null when the folder has none of that name. Inside of a transaction: with its client. */
export async function currentPipeline(
  database: Database,
  uuid: string,
  client?: pg.ClientBase | pg.Pool,
): Promise<CurrentPipeline | null> {
  const result = await (client ?? database.pool).query<{
    version: string;
    problems: DefinitionProblem[];
    is_runnable: boolean;
    tags: string[];
  }>({
    name: 'current-pipeline',
    text: 'select version, problems, is_runnable, tags from pipeline where uuid = $1 and removed_at is null',
    values: [uuid],
  });
  const row = result.rows[0];
  const found = row && (await database.definitions.load(uuid, row.version, client));
  if (!row || !found) return null;
  const { version, problems, tags } = row;
  return { uuid, version, problems, isRunnable: row.is_runnable, tags, definition: found.definition };
}

/** A trigger as it is kept. */
export type StoredTrigger = {
  readonly id: bigint;
  readonly pipelineUuid: string;
  readonly name: string;
  readonly type: 'time' | 'api' | 'event';
  readonly status: 'active' | 'inactive';
  readonly scheduleInterval: string | null;
  readonly timezone: string;
  readonly startTime: Date | null;
  readonly variables: JsonObject;
  readonly settings: TriggerSettings;
  readonly lastEnabledAt: Date | null;
};

/**
 * Keeps the triggers of the files, matched by (pipeline, name). The file's status moves ours only when the file's own value
 * changed; a changed interval starts anew (`last_enabled_at`), so that editing never fires. A trigger that is gone from a file
 * that parses becomes inactive.
 */
export async function saveTriggers(
  client: pg.ClientBase,
  triggers: readonly { readonly definition: TriggerDefinition; readonly problems: readonly DefinitionProblem[] }[],
  readablePipelines: readonly string[],
  now: Date,
): Promise<void> {
  for (const { definition: t, problems } of triggers) {
    await client.query({
      name: 'save-trigger',
      text: `insert into trigger (pipeline_uuid, name, description, type, status, schedule_interval, timezone, start_time, variables, settings,
                                  managed_by_code, code_status, problems, last_enabled_at, created_at, updated_at)
             values ($1, $2, $3, $4::trigger_type, $5::trigger_status, $6, $7, $8, $9::jsonb, $10::jsonb, true, $5::trigger_status, $11::jsonb,
                     case when $5 = 'active' then $12::timestamptz end, $12, $12)
             on conflict (pipeline_uuid, name) do update set
               description = excluded.description, type = excluded.type, schedule_interval = excluded.schedule_interval,
               timezone = excluded.timezone, start_time = excluded.start_time, variables = excluded.variables, settings = excluded.settings,
               managed_by_code = true, problems = excluded.problems, code_status = excluded.code_status,
               status = case when trigger.code_status is distinct from excluded.code_status then excluded.status else trigger.status end,
               last_enabled_at = case
                 when trigger.schedule_interval is distinct from excluded.schedule_interval then $12
                 when trigger.code_status is distinct from excluded.code_status and excluded.status = 'active' and trigger.status = 'inactive' then $12
                 else trigger.last_enabled_at end,
               updated_at = $12
             where (trigger.description, trigger.type, trigger.schedule_interval, trigger.timezone, trigger.start_time, trigger.variables,
                    trigger.settings, trigger.problems, trigger.code_status, trigger.managed_by_code)
               is distinct from (excluded.description, excluded.type, excluded.schedule_interval, excluded.timezone, excluded.start_time,
                    excluded.variables, excluded.settings, excluded.problems, excluded.code_status, true)`,
      values: [
        t.pipelineUuid,
        t.name,
        t.description,
        t.type,
        t.status,
        t.scheduleInterval,
        t.timezone,
        t.startTime,
        JSON.stringify(t.variables),
        JSON.stringify(t.settings),
        JSON.stringify(problems),
        now,
      ],
    });
  }
  await client.query(
    `update trigger set status = 'inactive', code_status = null, updated_at = $3
      where managed_by_code and code_status is not null and pipeline_uuid = any($1::text[])
        and (pipeline_uuid, name) not in (select * from unnest($2::text[], $4::text[]))`,
    [readablePipelines, triggers.map((t) => t.definition.pipelineUuid), now, triggers.map((t) => t.definition.name)],
  );
}

const triggerColumns =
  'id, pipeline_uuid, name, type, status, schedule_interval, timezone, start_time, variables, settings, last_enabled_at';

type TriggerRow = {
  id: bigint;
  pipeline_uuid: string;
  name: string;
  type: StoredTrigger['type'];
  status: StoredTrigger['status'];
  schedule_interval: string | null;
  timezone: string;
  start_time: Date | null;
  variables: JsonObject;
  settings: Partial<TriggerSettings>;
  last_enabled_at: Date | null;
};

/** Active time triggers of runnable pipelines: what a scheduler has to watch. */
export async function activeTimeTriggers(client: Client): Promise<readonly StoredTrigger[]> {
  const result = await client.query<TriggerRow>({
    name: 'active-time-triggers',
    text: `select ${triggerColumns} from trigger t
            where t.status = 'active' and t.type = 'time' and not t.problems @> '[{"severity": "error"}]'
              and exists (select 1 from pipeline p where p.uuid = t.pipeline_uuid and p.removed_at is null)
            order by t.id`,
  });
  return result.rows.map(triggerOf);
}

/** One trigger by id; null when there is none. */
export async function findTrigger(client: Client, id: bigint): Promise<StoredTrigger | null> {
  const result = await client.query<TriggerRow>({
    name: 'trigger-by-id',
    text: `select ${triggerColumns} from trigger where id = $1`,
    values: [id],
  });
  const row = result.rows[0];
  return row ? triggerOf(row) : null;
}

/** One trigger by its name within a pipeline; null when there is none. */
export async function findTriggerByName(
  client: Client,
  pipelineUuid: string,
  name: string,
): Promise<StoredTrigger | null> {
  const result = await client.query<TriggerRow>({
    name: 'trigger-by-name',
    text: `select ${triggerColumns} from trigger where pipeline_uuid = $1 and name = $2`,
    values: [pipelineUuid, name],
  });
  const row = result.rows[0];
  return row ? triggerOf(row) : null;
}

function triggerOf(row: TriggerRow): StoredTrigger {
  return {
    id: row.id,
    pipelineUuid: row.pipeline_uuid,
    name: row.name,
    type: row.type,
    status: row.status,
    scheduleInterval: row.schedule_interval,
    timezone: row.timezone,
    startTime: row.start_time,
    variables: row.variables,
    settings: { ...defaultTriggerSettings, ...row.settings },
    lastEnabledAt: row.last_enabled_at,
  };
}
