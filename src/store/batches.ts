import type pg from 'pg';
import type { BatchAction, BatchRetry, BatchStatus, BatchWork } from '../domain/batch.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { RetryPlan } from '../domain/retry-plan.ts';
import { Prisma } from '../generated/prisma/client.ts';
import { type PipelineRunCriteria, pipelineRunConditions } from './list-pipeline-runs.ts';
import { refusalToJson } from './stored-refusal.ts';

/** Batches and their items, as whoever carries them out sees them. Whoever reads them for people: list-batches.ts. */

type Client = pg.ClientBase | pg.Pool;

/** Which runs a batch is about: as they were named, or by a filter, oldest first. */
export type BatchSelection =
  | { readonly kind: 'ids'; readonly given: readonly { readonly id: string; readonly runId: bigint | null }[] }
  | { readonly kind: 'filter'; readonly criteria: PipelineRunCriteria };

export type NewBatch = {
  readonly work: BatchWork;
  readonly selection: BatchSelection;
  readonly actor: string;
  readonly reason: string | null;
  readonly idempotencyKey: string | null;
  readonly idempotencyHash: string | null;
  /** Of a preview: until when it can be carried out. */
  readonly expiresAt: Date | null;
};

/** Freezes a batch and its items, for a caller's transaction; null when another batch of the action holds the idempotency key. */
export async function createBatch(
  client: pg.ClientBase,
  batch: NewBatch,
  most: number,
  now: Date,
): Promise<{ readonly id: bigint; readonly total: number } | null> {
  const { retry } = batch.work;
  const created = await client.query<{ id: bigint }>({
    name: 'create-batch',
    text: `insert into batch_operation (action, status, actor, reason, mode, from_block, variables, expected_attempt, idempotency_key,
                                        idempotency_hash, total, created_at, expires_at)
           values ($1::batch_action, $2::batch_status, $3, $4, $5::retry_mode, $6, $7::jsonb, $8, $9, $10, 0, $11, $12)
           on conflict (action, idempotency_key) do nothing returning id`,
    values: [
      batch.work.action,
      batch.expiresAt === null ? 'running' : 'previewed',
      batch.actor,
      batch.reason,
      retry?.mode ?? null,
      retry?.fromBlock ?? null,
      JSON.stringify(retry?.variables ?? {}),
      retry?.expectedAttempt ?? null,
      batch.idempotencyKey,
      batch.idempotencyHash,
      now,
      batch.expiresAt,
    ],
  });
  const id = created.rows[0]?.id;
  if (id === undefined) return null;
  const total = await freezeItems(client, id, batch.selection, batch.expiresAt !== null, most);
  await client.query({
    name: 'set-batch-total',
    text: `update batch_operation
              set total = $2, status = case when $2 = 0 and status = 'running' then 'completed' else status end,
                  completed_at = case when $2 = 0 and status = 'running' then $3::timestamptz end
            where id = $1`,
    values: [id, total, now],
  });
  return { id, total };
}

/** One item more than `most` may be frozen, so that the caller sees that there are too many. */
async function freezeItems(
  client: pg.ClientBase,
  batchId: bigint,
  selection: BatchSelection,
  isPreview: boolean,
  most: number,
): Promise<number> {
  if (selection.kind === 'ids') {
    const result = await client.query({
      name: 'freeze-items-by-id',
      text: `insert into batch_item (batch_id, position, pipeline_run_id, given_id, frozen_attempt)
             select $1, g.position, coalesce(g.run, 0), case when g.run is null then g.id end, case when $4 then r.attempt end
               from unnest($2::text[], $3::bigint[]) with ordinality g(id, run, position)
               left join pipeline_run r on r.id = any($3) and r.id = g.run`,
      values: [batchId, selection.given.map((g) => g.id), selection.given.map((g) => g.runId), isPreview],
    });
    return result.rowCount ?? 0;
  }
  const query = Prisma.sql`
    insert into batch_item (batch_id, position, pipeline_run_id, frozen_attempt)
    select ${batchId}, row_number() over (order by r.id), r.id, case when ${isPreview}::boolean then r.attempt end
      from pipeline_run r where ${pipelineRunConditions(selection.criteria)}
     order by r.id limit ${most + 1}`;
  const result = await client.query(query.text, query.values);
  return result.rowCount ?? 0;
}

export type Batch = {
  readonly id: bigint;
  readonly status: BatchStatus;
  readonly work: BatchWork;
  readonly actor: string;
  readonly reason: string | null;
  readonly total: number;
  /** Items are done in their order: so many, from the first on. */
  readonly done: number;
  /** How often the next piece has failed. */
  readonly failedTries: number;
  /** Up to this item they are taken one by one, because a piece failed each time. */
  readonly singlyUntil: number;
  readonly expiresAt: Date | null;
  readonly idempotencyKey: string | null;
  readonly idempotencyHash: string | null;
};

type BatchRow = Omit<Batch, 'work'> & BatchRetry & { readonly action: BatchAction };

const columns = `id, action, status, actor, reason, mode, from_block as "fromBlock", variables, expected_attempt as "expectedAttempt", total,
  done, failed_tries as "failedTries", singly_until as "singlyUntil", expires_at as "expiresAt", idempotency_key as "idempotencyKey", idempotency_hash as "idempotencyHash"`;

function batchOf({ action, mode, fromBlock, variables, expectedAttempt, ...row }: BatchRow): Batch {
  return action === 'retry'
    ? { ...row, work: { action, retry: { mode, fromBlock, variables, expectedAttempt } } }
    : { ...row, work: { action, retry: null } };
}

export async function findBatch(client: Client, id: bigint): Promise<Batch | null> {
  const result = await client.query<BatchRow>({
    name: 'find-batch',
    text: `select ${columns} from batch_operation where id = $1`,
    values: [id],
  });
  return result.rows[0] ? batchOf(result.rows[0]) : null;
}

/** The batch that holds an idempotency key. */
export async function findBatchByKey(client: Client, action: BatchAction, key: string): Promise<Batch | null> {
  const result = await client.query<BatchRow>({
    name: 'find-batch-by-key',
    text: `select ${columns} from batch_operation where action = $1::batch_action and idempotency_key = $2`,
    values: [action, key],
  });
  return result.rows[0] ? batchOf(result.rows[0]) : null;
}

/**
 * Locks a batch that has more to do, before any run's row; null when it has not, or, with `ifFree`, when somebody else is at it.
 * One process at a time carries out a batch: so its items are done in their order, each once.
 */
export async function lockRunningBatch(client: pg.ClientBase, id: bigint, ifFree: boolean): Promise<Batch | null> {
  const result = await client.query<BatchRow>({
    name: ifFree ? 'lock-free-batch' : 'lock-batch',
    text: `select ${columns} from batch_operation where id = $1 and status = 'running' for no key update ${ifFree ? 'skip locked' : ''}`,
    values: [id],
  });
  return result.rows[0] ? batchOf(result.rows[0]) : null;
}

export type BatchItem = {
  readonly position: number;
  readonly runId: bigint;
  /** What the caller gave where that is not the id of a run. */
  readonly givenId: string | null;
  /** Of a plan that is carried out: the attempt of the run that it was made for. */
  readonly frozenAttempt: number | null;
  /** How many block runs the run has. */
  readonly blockRuns: number;
};

/** The items after the first `done`. */
export async function itemsAfter(
  client: Client,
  batchId: bigint,
  done: number,
  limit: number,
): Promise<readonly BatchItem[]> {
  const result = await client.query<BatchItem>({
    name: 'batch-items-after',
    text: `select i.position, i.pipeline_run_id as "runId", i.given_id as "givenId", i.frozen_attempt as "frozenAttempt",
                  coalesce(r.blocks_total, 0) as "blockRuns"
             from batch_item i left join pipeline_run r on r.id = i.pipeline_run_id
            where i.batch_id = $1 and i.position > $2 and i.position <= $2 + $3 order by i.position`,
    values: [batchId, done, limit],
  });
  return result.rows;
}

export type ItemResult = {
  readonly position: number;
  /** The run afterwards; null where there is none. */
  readonly runId: bigint | null;
  readonly refusal: Refusal | null;
};

/** Of a preview: what would become of an item. */
export type PredictedItem = ItemResult & {
  /** Of a retry: what it would do. Its refusal stands beside it. */
  readonly plan: RetryPlan | null;
};

function predictedRows(predictions: readonly PredictedItem[]): string {
  return `[${predictions
    .map(({ plan, ...item }) => {
      const [row] = JSON.parse(itemRows([item])) as [object];
      const { refused: _refused, ...kept } = plan ?? { refused: null };
      return JSON.stringify({ ...row, plan: plan === null ? null : kept });
    })
    .join()}]`;
}

function itemRows(results: readonly ItemResult[]): string {
  return `[${results
    .map(({ position, runId, refusal }) => {
      const run = runId === null ? 'null' : `"${runId}"`;
      return `{"position":${position},"runId":${run},"refusal":${refusal ? refusalToJson(refusal) : 'null'}}`;
    })
    .join()}]`;
}

/** As `enterResults`, for the next items from one position to another, all of them done to the very run that they name: the common case. */
export async function enterDone(
  client: pg.ClientBase,
  batchId: bigint,
  from: number,
  to: number,
  now: Date,
): Promise<void> {
  await client.query({
    name: 'enter-batch-done',
    text: `with entered as (
             update batch_item set is_done = true, result_run_id = pipeline_run_id where batch_id = $1 and position between $2 and $3)
           update batch_operation
              set done = done + $4, failed_tries = 0, succeeded = succeeded + $4, status = case when done + $4 >= total then 'completed' else status end,
                  completed_at = case when done + $4 >= total then $5::timestamptz end
            where id = $1`,
    values: [batchId, from, to, to - from + 1, now],
  });
}

/** Enters what became of the next items; the batch is completed with its last. In the transaction in which it happened. */
export async function enterResults(
  client: pg.ClientBase,
  batchId: bigint,
  results: readonly ItemResult[],
  now: Date,
): Promise<void> {
  await client.query({
    name: 'enter-batch-results',
    text: `with entered as (
             update batch_item i set is_done = true, result_run_id = r."runId", refusal = nullif(r.refusal, 'null')
               from jsonb_to_recordset($2::jsonb) as r(position int, "runId" bigint, refusal jsonb)
              where i.batch_id = $1 and i.position = any($3) and i.position = r.position)
           update batch_operation
              set done = done + $4, failed_tries = 0, succeeded = succeeded + $4 - $5, refused = refused + $5,
                  status = case when done + $4 >= total then 'completed' else status end,
                  completed_at = case when done + $4 >= total then $6::timestamptz end
            where id = $1`,
    values: [
      batchId,
      itemRows(results),
      results.map((result) => result.position),
      results.length,
      results.filter((result) => result.refusal).length,
      now,
    ],
  });
}

/**
 * Counts that the piece of a batch that follows its first `done` items failed as a whole: the items up to `until` are taken one by one when it
 * failed for the `most`th time.
 */
export async function countFailedTry(
  client: Client,
  batch: Pick<Batch, 'id' | 'done'>,
  until: number,
  most: number,
): Promise<void> {
  await client.query({
    name: 'count-failed-try',
    text: `update batch_operation
              set failed_tries = case when done >= singly_until and failed_tries + 1 >= $4 then 0 else failed_tries + 1 end,
                  singly_until = case when done >= singly_until and failed_tries + 1 >= $4 then $3 else singly_until end
            where id = $1 and done = $2 and status = 'running'`,
    values: [batch.id, batch.done, until, most],
  });
}

/** Enters what would become of items of a preview. */
export async function enterPredictions(
  client: Client,
  batchId: bigint,
  predictions: readonly PredictedItem[],
): Promise<void> {
  await client.query({
    name: 'enter-batch-predictions',
    text: `with entered as (
             update batch_item i set result_run_id = r."runId", refusal = nullif(r.refusal, 'null'), plan = nullif(r.plan, 'null')
               from jsonb_to_recordset($2::jsonb) as r(position int, "runId" bigint, refusal jsonb, plan jsonb)
              where i.batch_id = $1 and i.position = any($3) and i.position = r.position)
           update batch_operation set succeeded = succeeded + $4 - $5, refused = refused + $5 where id = $1`,
    values: [
      batchId,
      predictedRows(predictions),
      predictions.map((prediction) => prediction.position),
      predictions.length,
      predictions.filter((prediction) => prediction.refusal).length,
    ],
  });
}

/** Sets a preview going; false when it is none any more, or its time is over. */
export async function carryOutPreview(
  client: Client,
  batchId: bigint,
  by: {
    readonly actor: string;
    readonly reason: string | null;
    readonly expectedAttempt: number | null;
    readonly idempotencyKey: string | null;
    readonly idempotencyHash: string | null;
  },
  now: Date,
): Promise<boolean> {
  const result = await client.query({
    name: 'carry-out-preview',
    text: `update batch_operation
              set status = case when total = 0 then 'completed' else 'running' end::batch_status, completed_at = case when total = 0 then $7::timestamptz end,
                  succeeded = 0, refused = 0, actor = $2, reason = $3, expected_attempt = $4, idempotency_key = $5, idempotency_hash = $6,
                  expires_at = null
            where id = $1 and status = 'previewed' and expires_at > $7`,
    values: [batchId, by.actor, by.reason, by.expectedAttempt, by.idempotencyKey, by.idempotencyHash, now],
  });
  return result.rowCount === 1;
}

/** Ends a batch early, between two pieces of it; false when it had ended. */
export async function abortBatch(client: Client, batchId: bigint, now: Date): Promise<boolean> {
  const result = await client.query({
    name: 'abort-batch',
    text: `update batch_operation set status = 'aborted', completed_at = $2
            where id = $1 and (status = 'running' or status = 'previewed' and expires_at > $2)`,
    values: [batchId, now],
  });
  return result.rowCount === 1;
}

/** Batches that have more to do, oldest first. */
export async function runningBatches(client: Client): Promise<readonly bigint[]> {
  const result = await client.query<{ id: bigint }>({
    name: 'running-batches',
    text: `select id from batch_operation where status = 'running' order by id limit 100`,
  });
  return result.rows.map((row) => row.id);
}

/** Previews whose time is over can't be carried out any more. */
export async function expirePreviews(client: Client, now: Date): Promise<void> {
  await client.query({
    name: 'expire-previews',
    text: `update batch_operation set status = 'expired', completed_at = $1 where status = 'previewed' and expires_at <= $1`,
    values: [now],
  });
}
