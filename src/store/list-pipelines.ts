import type { PipelineRunStatus } from '../domain/lifecycle.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { type KeysetOrder, type KeysetPosition, type KeysetWindow, keyset, type SortDirection } from './keyset.ts';
import { allOf, escapeLike, type TextCriteria, tagConditions, textConditions } from './text-criteria.ts';

/** Which pipelines are asked for, of those whose files are there; everything given must hold. */
export type PipelineCriteria = {
  readonly uuid?: TextCriteria;
  /** Holds when one of the tags meets it; `notIn` when none of them is listed. */
  readonly tag?: TextCriteria;
  readonly type?: readonly string[];
  /** Text in the uuid, the name or the description. */
  readonly search?: string;
  readonly lastRunStatus?: readonly PipelineRunStatus[];
};

export type PipelineSortField = 'uuid' | 'name' | 'lastRunAt';
export type PipelineSort = { readonly field: PipelineSortField; readonly direction: SortDirection };

const sortColumns: Record<PipelineSortField, { readonly value: Prisma.Sql; readonly nullable: boolean }> = {
  uuid: { value: Prisma.sql`p.uuid`, nullable: false },
  name: { value: Prisma.sql`p.name`, nullable: false },
  lastRunAt: { value: Prisma.sql`last_run.created_at`, nullable: true },
};

/** A pipeline beside its newest run that was not skipped. */
const pipelinesWithLastRun = Prisma.sql`
  pipeline p
  left join lateral (
    select r.id, r.status, r.created_at
    from pipeline_run r
    where r.pipeline_uuid = p.uuid and coalesce(r.reason_code, '') not in ('SKIPPED_OVERLAP', 'SKIPPED_LIMIT')
    order by r.created_at desc, r.id desc
    limit 1
  ) last_run on true`;

/** The positions of up to `window.limit` pipelines, in reading direction. */
export async function listPipelines(
  database: Database,
  criteria: PipelineCriteria,
  sort: PipelineSort,
  window: KeysetWindow,
): Promise<readonly (KeysetPosition & { readonly id: string })[]> {
  const column = sortColumns[sort.field];
  const order: KeysetOrder = { ...column, id: Prisma.sql`p.uuid`, direction: sort.direction };
  const { where, orderBy } = keyset(order, window);
  const query = Prisma.sql`
    select p.uuid as id, ${column.value} as value
    from ${pipelinesWithLastRun}
    where ${pipelineConditions(criteria)} and ${where}
    order by ${orderBy}
    limit ${window.limit}`;
  const result = await database.pool.query<{ id: string; value: string | Date | null }>(query.text, query.values);
  return result.rows;
}

export async function countPipelines(database: Database, criteria: PipelineCriteria): Promise<number> {
  const query = Prisma.sql`
    select count(*)::int as count from ${pipelinesWithLastRun} where ${pipelineConditions(criteria)}`;
  const result = await database.pool.query<{ count: number }>(query.text, query.values);
  return result.rows[0]?.count ?? 0;
}

/** Of each pipeline named, the id of its newest run that was not skipped. */
export async function listLastRunIds(
  database: Database,
  pipelineUuids: readonly string[],
): Promise<readonly { readonly pipelineUuid: string; readonly runId: bigint }[]> {
  const query = Prisma.sql`
    select p.uuid as "pipelineUuid", last_run.id as "runId"
    from ${pipelinesWithLastRun}
    where p.uuid = any(${[...pipelineUuids]}::text[]) and last_run.id is not null`;
  const result = await database.pool.query<{ pipelineUuid: string; runId: bigint }>(query.text, query.values);
  return result.rows;
}

function pipelineConditions(criteria: PipelineCriteria): Prisma.Sql {
  const conditions: Prisma.Sql[] = [Prisma.sql`p.removed_at is null`];
  if (criteria.uuid) conditions.push(...textConditions(Prisma.sql`p.uuid`, criteria.uuid));
  if (criteria.tag) conditions.push(...tagConditions(Prisma.sql`p.tags`, criteria.tag));
  if (criteria.type) conditions.push(Prisma.sql`p.type = any(${[...criteria.type]}::text[])`);
  if (criteria.search !== undefined) {
    const pattern = `%${escapeLike(criteria.search)}%`;
    conditions.push(Prisma.sql`(p.uuid ilike ${pattern} or p.name ilike ${pattern} or p.description ilike ${pattern})`);
  }
  if (criteria.lastRunStatus) {
    conditions.push(Prisma.sql`last_run.status = any(${[...criteria.lastRunStatus]}::pipeline_run_status[])`);
  }
  return allOf(conditions);
}
