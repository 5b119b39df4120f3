import type { BatchStatus } from '../domain/batch.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { RetryPlan } from '../domain/retry-plan.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { Database } from './database.ts';
import { type KeysetPosition, type KeysetWindow, keyset } from './keyset.ts';
import { refusalFromJson } from './stored-refusal.ts';

/** Batches as people read them. */

/** The positions of up to `window.limit` batches, newest first. */
export async function listBatches(
  database: Database,
  statuses: readonly BatchStatus[] | null,
  window: KeysetWindow,
): Promise<readonly (KeysetPosition & { readonly id: bigint })[]> {
  const { where, orderBy } = keyset(
    { value: Prisma.sql`b.created_at`, id: Prisma.sql`b.id`, direction: 'desc', nullable: false },
    window,
  );
  const ofStatus = statuses === null ? Prisma.sql`true` : Prisma.sql`b.status = any(${[...statuses]}::batch_status[])`;
  const query = Prisma.sql`
    select b.id, b.created_at as value from batch_operation b
     where ${ofStatus} and ${where} order by ${orderBy} limit ${window.limit}`;
  return (await database.pool.query<{ id: bigint; value: Date }>(query.text, query.values)).rows;
}

/** What became of one run of a batch, or of a preview: what would. */
export type BatchItemResult = {
  readonly position: number;
  /** What the caller gave where that is not the id of a run. */
  readonly givenId: string | null;
  /** The run that was meant. */
  readonly runId: bigint;
  /** The run afterwards. */
  readonly resultRunId: bigint | null;
  readonly refusal: Refusal | null;
  /** Of a previewed retry. */
  readonly plan: RetryPlan | null;
};

/** The results after a position, in the order of the items; of a batch that goes on, those that there are. */
export async function listBatchResults(
  database: Database,
  batchId: bigint,
  after: number,
  limit: number,
  onlyRefused: boolean,
): Promise<readonly BatchItemResult[]> {
  const result = await database.pool.query<
    Omit<BatchItemResult, 'refusal' | 'plan'> & {
      readonly refusal: unknown;
      readonly plan: Omit<RetryPlan, 'refused'> | null;
    }
  >({
    name: onlyRefused ? 'batch-refusals' : 'batch-results',
    text: `select i.position, i.given_id as "givenId", i.pipeline_run_id as "runId", i.result_run_id as "resultRunId", i.refusal, i.plan
             from batch_item i join batch_operation b on b.id = i.batch_id
            where i.batch_id = $1 and i.position > $2 and (i.is_done or b.status in ('previewed', 'expired'))
                  ${onlyRefused ? 'and i.refusal is not null' : ''}
            order by i.position limit $3`,
    values: [batchId, after, limit],
  });
  return result.rows.map(({ plan, ...row }) => {
    const refusal = row.refusal === null ? null : refusalFromJson(row.refusal);
    return { ...row, refusal, plan: plan === null ? null : { ...plan, refused: refusal } };
  });
}
