import type { PipelineRunStatus, StatusReasonCode } from '../domain/lifecycle.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { type KeysetOrder, type KeysetPosition, type KeysetWindow, keyset, type SortDirection } from './keyset.ts';
import {
  allOf,
  type InstantCriteria,
  instantConditions,
  type NumberCriteria,
  numberConditions,
  type TextCriteria,
  tagConditions,
  textConditions,
} from './text-criteria.ts';

/** Which pipeline runs are asked for; everything given must hold. */
export type PipelineRunCriteria = {
  readonly ids?: { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };
  readonly pipelineUuid?: TextCriteria;
  /** Holds when one of the run's tags meets it; `notIn` when none of them is listed. */
  readonly tag?: TextCriteria;
  readonly status?: { readonly in?: readonly PipelineRunStatus[]; readonly notIn?: readonly PipelineRunStatus[] };
  readonly triggerIds?: { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };
  /** Runs that blocks of these runs have started. */
  readonly parentRunIds?: { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };
  readonly cause?: readonly string[];
  readonly statusReason?: readonly StatusReasonCode[];
  readonly executionDate?: InstantCriteria;
  readonly createdAt?: InstantCriteria;
  readonly startedAt?: InstantCriteria;
  readonly completedAt?: InstantCriteria;
  readonly durationMs?: NumberCriteria;
  readonly passedSla?: boolean;
  /** Failed and the newest of its retries. */
  readonly lastRunFailed?: true;
  readonly and?: readonly PipelineRunCriteria[];
  /** At least one must hold; an empty list matches nothing. */
  readonly or?: readonly PipelineRunCriteria[];
  readonly not?: PipelineRunCriteria;
};

export type PipelineRunSortField = 'createdAt' | 'executionDate' | 'startedAt' | 'completedAt';
export type PipelineRunSort = { readonly field: PipelineRunSortField; readonly direction: SortDirection };

const sortColumns: Record<PipelineRunSortField, { readonly value: Prisma.Sql; readonly nullable: boolean }> = {
  createdAt: { value: Prisma.sql`r.created_at`, nullable: false },
  executionDate: { value: Prisma.sql`r.execution_date`, nullable: false },
  startedAt: { value: Prisma.sql`r.started_at`, nullable: true },
  completedAt: { value: Prisma.sql`r.completed_at`, nullable: true },
};

/** The positions of up to `window.limit` runs, in reading direction. */
export async function listPipelineRuns(
  database: Database,
  criteria: PipelineRunCriteria,
  sort: PipelineRunSort,
  window: KeysetWindow,
): Promise<readonly (KeysetPosition & { readonly id: bigint })[]> {
  const query = pipelineRunPageQuery(criteria, sort, window);
  const result = await database.pool.query<{ id: bigint; value: Date | null }>(query.text, query.values);
  return result.rows;
}

/** The statement behind `listPipelineRuns`; a test explains it. */
export function pipelineRunPageQuery(
  criteria: PipelineRunCriteria,
  sort: PipelineRunSort,
  window: KeysetWindow,
): Prisma.Sql {
  const column = sortColumns[sort.field];
  const order: KeysetOrder = { ...column, id: Prisma.sql`r.id`, direction: sort.direction };
  const { where, orderBy } = keyset(order, window);
  return Prisma.sql`
    select r.id, ${column.value} as value
    from pipeline_run r
    where ${pipelineRunConditions(criteria)} and ${where}
    order by ${orderBy}
    limit ${window.limit}`;
}

/** How many runs meet the criteria, counted no further than `atMost`. */
export async function countPipelineRuns(
  database: Database,
  criteria: PipelineRunCriteria,
  atMost: number,
): Promise<number> {
  const query = Prisma.sql`
    select count(*)::int as count
    from (select 1 from pipeline_run r where ${pipelineRunConditions(criteria)} limit ${atMost}) counted`;
  const result = await database.pool.query<{ count: number }>(query.text, query.values);
  return result.rows[0]?.count ?? 0;
}

/** What a row `r` of pipeline_run must meet. */
export function pipelineRunConditions(criteria: PipelineRunCriteria): Prisma.Sql {
  const conditions: Prisma.Sql[] = [];
  const { ids, status, triggerIds, parentRunIds } = criteria;

  if (ids?.in) conditions.push(Prisma.sql`r.id = any(${[...ids.in]}::bigint[])`);
  if (ids?.notIn) conditions.push(Prisma.sql`r.id <> all(${[...ids.notIn]}::bigint[])`);
  if (criteria.pipelineUuid) conditions.push(...textConditions(Prisma.sql`r.pipeline_uuid`, criteria.pipelineUuid));
  if (criteria.tag) conditions.push(...tagConditions(Prisma.sql`r.tags`, criteria.tag));
  if (status?.in) conditions.push(statusIn(status.in));
  if (status?.notIn) conditions.push(Prisma.sql`r.status <> all(${[...status.notIn]}::pipeline_run_status[])`);
  if (triggerIds?.in) conditions.push(Prisma.sql`r.trigger_id = any(${[...triggerIds.in]}::bigint[])`);
  if (triggerIds?.notIn) {
    conditions.push(Prisma.sql`(r.trigger_id is null or r.trigger_id <> all(${[...triggerIds.notIn]}::bigint[]))`);
  }
  if (parentRunIds?.in) conditions.push(parentIn(parentRunIds.in));
  if (parentRunIds?.notIn) {
    conditions.push(
      Prisma.sql`(r.parent_run_id is null or r.parent_run_id <> all(${[...parentRunIds.notIn]}::bigint[]))`,
    );
  }
  if (criteria.cause) conditions.push(Prisma.sql`r.cause = any(${[...criteria.cause]}::run_cause[])`);
  if (criteria.statusReason) conditions.push(Prisma.sql`r.reason_code = any(${[...criteria.statusReason]}::text[])`);
  if (criteria.executionDate) {
    conditions.push(...instantConditions(Prisma.sql`r.execution_date`, criteria.executionDate));
  }
  if (criteria.createdAt) conditions.push(...instantConditions(Prisma.sql`r.created_at`, criteria.createdAt));
  if (criteria.startedAt) conditions.push(...instantConditions(Prisma.sql`r.started_at`, criteria.startedAt));
  if (criteria.completedAt) conditions.push(...instantConditions(Prisma.sql`r.completed_at`, criteria.completedAt));
  if (criteria.durationMs) conditions.push(...numberConditions(durationMs, criteria.durationMs));
  if (criteria.passedSla !== undefined) conditions.push(Prisma.sql`r.passed_sla = ${criteria.passedSla}`);
  if (criteria.lastRunFailed) conditions.push(Prisma.sql`(r.status = 'failed' and r.is_newest)`);
  if (criteria.and) conditions.push(...criteria.and.map(pipelineRunConditions).map(parenthesized));
  if (criteria.or) conditions.push(anyOf(criteria.or.map(pipelineRunConditions)));
  // A comparison with null is neither true nor false; `not` is to match whatever its filter does not.
  if (criteria.not) conditions.push(Prisma.sql`(${pipelineRunConditions(criteria.not)}) is not true`);
  return allOf(conditions);
}

const durationMs = Prisma.sql`(extract(epoch from r.completed_at - r.started_at) * 1000)`;

/** One status is written as an equation, so that the index (status, created_at, id) gives the order too. */
function statusIn(statuses: readonly PipelineRunStatus[]): Prisma.Sql {
  return statuses.length === 1
    ? Prisma.sql`r.status = ${statuses[0]}::pipeline_run_status`
    : Prisma.sql`r.status = any(${[...statuses]}::pipeline_run_status[])`;
}

/** One parent is written as an equation, so that the index (parent, created_at, id) gives the order too. */
function parentIn(parents: readonly bigint[]): Prisma.Sql {
  return parents.length === 1
    ? Prisma.sql`r.parent_run_id = ${parents[0]}::bigint`
    : Prisma.sql`r.parent_run_id = any(${[...parents]}::bigint[])`;
}

function anyOf(conditions: readonly Prisma.Sql[]): Prisma.Sql {
  if (conditions.length === 0) return Prisma.sql`false`;
  return parenthesized(Prisma.join(conditions.map(parenthesized), ' or '));
}

function parenthesized(condition: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(${condition})`;
}
