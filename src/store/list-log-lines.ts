import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { type KeysetPosition, type KeysetWindow, keyset } from './keyset.ts';
import {
  allOf,
  escapeLike,
  type InstantCriteria,
  instantConditions,
  type TextCriteria,
  textConditions,
} from './text-criteria.ts';

/** Which log lines are asked for; everything given must hold. */
export type LogLineCriteria = {
  /** Whose log it is; everybody's when empty. */
  readonly of: { readonly pipelineRunId?: bigint; readonly blockRunId?: bigint; readonly attempt?: number };
  readonly blockRunIds?: { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };
  readonly blockUuid?: TextCriteria;
  readonly attempt?: number;
  readonly level?: readonly string[];
  readonly stream?: readonly string[];
  /** Text in the message, in upper or lower case. */
  readonly search?: string;
  readonly at?: InstantCriteria;
};

/** The positions of up to `window.limit` log lines, oldest first, in reading direction. */
export async function listLogLines(
  database: Database,
  criteria: LogLineCriteria,
  window: KeysetWindow,
): Promise<readonly (KeysetPosition & { readonly id: bigint })[]> {
  const id = Prisma.sql`l.id`;
  const { where, orderBy } = keyset({ value: id, id, direction: 'asc', nullable: false }, window);
  const query = Prisma.sql`
    select l.id, l.id::text as value
    from log_line l
    where ${logLineConditions(criteria)} and ${where}
    order by ${orderBy}
    limit ${window.limit}`;
  const result = await database.pool.query<{ id: bigint; value: string }>(query.text, query.values);
  return result.rows;
}

function logLineConditions(criteria: LogLineCriteria): Prisma.Sql {
  const conditions: Prisma.Sql[] = [];
  const { of, blockRunIds, attempt } = criteria;
  if (of.pipelineRunId !== undefined) conditions.push(Prisma.sql`l.pipeline_run_id = ${of.pipelineRunId}`);
  if (of.blockRunId !== undefined) conditions.push(Prisma.sql`l.block_run_id = ${of.blockRunId}`);
  if (of.attempt !== undefined) conditions.push(Prisma.sql`l.attempt = ${of.attempt}`);
  if (blockRunIds?.in) conditions.push(blockRunIn(blockRunIds.in));
  if (blockRunIds?.notIn) {
    conditions.push(Prisma.sql`(l.block_run_id is null or l.block_run_id <> all(${[...blockRunIds.notIn]}::bigint[]))`);
  }
  if (criteria.blockUuid) conditions.push(...textConditions(Prisma.sql`l.block_uuid`, criteria.blockUuid));
  if (attempt !== undefined) conditions.push(Prisma.sql`l.attempt = ${attempt}`);
  if (criteria.level) conditions.push(Prisma.sql`l.level = any(${[...criteria.level]}::log_level[])`);
  if (criteria.stream) conditions.push(Prisma.sql`l.stream = any(${[...criteria.stream]}::log_stream[])`);
  if (criteria.search !== undefined) {
    conditions.push(Prisma.sql`l.message ilike ${`%${escapeLike(criteria.search)}%`}`);
  }
  if (criteria.at) conditions.push(...instantConditions(Prisma.sql`l.at`, criteria.at));
  return allOf(conditions);
}

/** One block run is written as an equation, so that the index (block_run_id, id) gives the order too. */
function blockRunIn(ids: readonly bigint[]): Prisma.Sql {
  return ids.length === 1
    ? Prisma.sql`l.block_run_id = ${ids[0]}`
    : Prisma.sql`l.block_run_id = any(${[...ids]}::bigint[])`;
}
