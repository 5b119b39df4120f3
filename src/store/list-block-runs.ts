import type { BlockRunStatus } from '../domain/lifecycle.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { type KeysetPosition, type KeysetWindow, keyset } from './keyset.ts';
import { allOf, type InstantCriteria, instantConditions, type TextCriteria, textConditions } from './text-criteria.ts';

/** Which block runs are asked for; everything given must hold. */
export type BlockRunCriteria = {
  readonly pipelineRunIds?: { readonly in?: readonly bigint[]; readonly notIn?: readonly bigint[] };
  readonly pipelineUuid?: TextCriteria;
  readonly blockUuid?: TextCriteria;
  readonly status?: readonly BlockRunStatus[];
  readonly createdAt?: InstantCriteria;
};

/** Where a block run stands among those of its run: the definition's order, children of a dynamic block by their index. */
export type BlockRunPlace = { readonly position: number; readonly dynamicIndex: number; readonly id: bigint };

/**
 * Of each run named, the places of its first `limit` block runs after `after`: one statement for any number of runs, and
 * never more rows than asked for (an ORM's nested `take` loads every child).
 */
export async function listBlockRunsOfRuns(
  database: Database,
  runIds: readonly bigint[],
  criteria: BlockRunCriteria,
  after: BlockRunPlace | null,
  limit: number,
): Promise<ReadonlyMap<bigint, readonly BlockRunPlace[]>> {
  const beyond = after
    ? Prisma.sql`(b.position, b.dynamic_index, b.id) > (${after.position}, ${after.dynamicIndex}, ${after.id})`
    : Prisma.sql`true`;
  const query = Prisma.sql`
    select run.id as run_id, page.id, page.position, page.dynamic_index
    from unnest(${[...runIds]}::bigint[]) as run(id)
    cross join lateral (
      select b.id, b.position, b.dynamic_index
      from block_run b
      where b.pipeline_run_id = run.id and ${blockRunConditions(criteria)} and ${beyond}
      order by b.position, b.dynamic_index, b.id
      limit ${limit}
    ) page
    order by page.position, page.dynamic_index, page.id`;
  type Row = { run_id: bigint; id: bigint; position: number; dynamic_index: number };
  const result = await database.pool.query<Row>(query.text, query.values);

  const places = new Map<bigint, BlockRunPlace[]>(runIds.map((id) => [id, []]));
  for (const row of result.rows) {
    places.get(row.run_id)?.push({ id: row.id, position: row.position, dynamicIndex: row.dynamic_index });
  }
  return places;
}

/** The ids of up to `window.limit` block runs of any run, newest first, in reading direction. */
export async function listBlockRuns(
  database: Database,
  criteria: BlockRunCriteria,
  window: KeysetWindow,
): Promise<readonly (KeysetPosition & { readonly id: bigint })[]> {
  const id = Prisma.sql`b.id`;
  const { where, orderBy } = keyset({ value: id, id, direction: 'desc', nullable: false }, window);
  const query = Prisma.sql`
    select b.id, b.id::text as value
    from block_run b
    where ${blockRunConditions(criteria)} and ${where}
    order by ${orderBy}
    limit ${window.limit}`;
  const result = await database.pool.query<{ id: bigint; value: string }>(query.text, query.values);
  return result.rows;
}

/** How many block runs meet the criteria, counted no further than `atMost`. */
export async function countBlockRuns(database: Database, criteria: BlockRunCriteria, atMost: number): Promise<number> {
  const query = Prisma.sql`
    select count(*)::int as count
    from (select 1 from block_run b where ${blockRunConditions(criteria)} limit ${atMost}) counted`;
  const result = await database.pool.query<{ count: number }>(query.text, query.values);
  return result.rows[0]?.count ?? 0;
}

function blockRunConditions(criteria: BlockRunCriteria): Prisma.Sql {
  const conditions: Prisma.Sql[] = [];
  const { pipelineRunIds } = criteria;
  if (pipelineRunIds?.in) conditions.push(Prisma.sql`b.pipeline_run_id = any(${[...pipelineRunIds.in]}::bigint[])`);
  if (pipelineRunIds?.notIn) {
    conditions.push(Prisma.sql`b.pipeline_run_id <> all(${[...pipelineRunIds.notIn]}::bigint[])`);
  }
  if (criteria.pipelineUuid) {
    const matches = allOf(textConditions(Prisma.sql`r.pipeline_uuid`, criteria.pipelineUuid));
    conditions.push(Prisma.sql`exists (select 1 from pipeline_run r where r.id = b.pipeline_run_id and ${matches})`);
  }
  if (criteria.blockUuid) conditions.push(...textConditions(Prisma.sql`b.block_uuid`, criteria.blockUuid));
  if (criteria.status) conditions.push(Prisma.sql`b.status = any(${[...criteria.status]}::block_run_status[])`);
  if (criteria.createdAt) conditions.push(...instantConditions(Prisma.sql`b.created_at`, criteria.createdAt));
  return allOf(conditions);
}
