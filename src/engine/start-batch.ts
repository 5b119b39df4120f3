import {
  type BatchWork,
  itemsWithinRequest,
  mostRunsByFilter,
  mostRunsById,
  mostRunsPreviewed,
  previewLifetimeMs,
} from '../domain/batch.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { type Batch, type BatchSelection, createBatch, findBatchByKey } from '../store/batches.ts';
import type { EngineContext } from './context.ts';
import { hashOf } from './input-hash.ts';
import { previewBatch } from './preview-batch.ts';
import { runBatchUntil } from './run-batches.ts';

export type StartBatchInput = {
  readonly work: BatchWork;
  readonly selection: BatchSelection;
  readonly actor: string;
  readonly reason: string | null;
  /** Unique per action: the same input gives the same batch again, another a CONFLICT. */
  readonly idempotencyKey: string | null;
  /** Only says what would happen: a plan that can be carried out for a quarter of an hour. */
  readonly isPreview: boolean;
};

/**
 * Makes a batch whose runs are chosen now and stay those. Its first hundred items have ended when this answers; the rest goes on
 * by itself, whatever becomes of this process. Refuses a selection that is empty or too large, and a key that has another input.
 */
export async function startBatch(
  context: EngineContext,
  input: StartBatchInput,
): Promise<Answer<{ readonly batchId: bigint }>> {
  const size = refuseSize(input.selection);
  if (size) return size;
  const now = context.now();
  const most = mostOf(input);
  const idempotencyHash = input.idempotencyKey === null ? null : hashBatchInput(input);
  const { isPreview, ...batch } = input;
  const expiresAt = isPreview ? new Date(now.getTime() + previewLifetimeMs) : null;
  const created = await context.database
    .transaction(async (client) => {
      const frozen = await createBatch(client, { ...batch, idempotencyHash, expiresAt }, most, now);
      // Thrown, so that nothing of it stays.
      if (frozen && frozen.total > most) throw new TooManyRuns();
      return frozen;
    })
    .catch((error: unknown) => {
      if (error instanceof TooManyRuns) return error;
      throw error;
    });
  if (created instanceof TooManyRuns) return tooMany(most, isPreview);
  if (!created) return replay(context, input, idempotencyHash);
  if (isPreview) await previewBatch(context, created.id);
  else await goOn(context, created.id);
  return done({ batchId: created.id });
}

/**
 * Does what is done within the request, and leaves the rest to whichever scheduler comes first: also a piece that fails, which is made and
 * goes on by itself. The caller would only ask for it once more.
 */
export async function goOn(context: EngineContext, batchId: bigint): Promise<void> {
  await runBatchUntil(context, batchId, itemsWithinRequest).catch(() => {});
  context.wake('batches');
}

/** What is said when an idempotency key belongs to another call. */
export function keyTaken(batch: Batch | null): Answer<never> {
  return refused({
    code: 'CONFLICT',
    path: ['input', 'idempotencyKey'],
    message: 'Another call used this idempotency key with another input. Use a new key for a new batch.',
    ...(batch ? { existingBatchId: batch.id } : {}),
  });
}

class TooManyRuns extends Error {}

async function replay(
  context: EngineContext,
  input: StartBatchInput,
  idempotencyHash: string | null,
): Promise<Answer<{ readonly batchId: bigint }>> {
  const batch = await findBatchByKey(context.database.pool, input.work.action, input.idempotencyKey ?? '');
  if (!batch || batch.idempotencyHash !== idempotencyHash) return keyTaken(batch);
  // The first caller may still be at it, or have died.
  await goOn(context, batch.id);
  return done({ batchId: batch.id });
}

function hashBatchInput({ work, selection, reason }: StartBatchInput): string {
  return hashOf([work, selection, reason]);
}

function mostOf({ selection, isPreview }: StartBatchInput): number {
  if (selection.kind === 'ids') return mostRunsById;
  return isPreview ? mostRunsPreviewed : mostRunsByFilter;
}

function refuseSize(selection: BatchSelection): Answer<never> | null {
  if (selection.kind === 'filter') return null;
  const path = ['input', 'selection', 'ids'];
  const { length } = selection.given;
  if (length === 0) {
    return refused({ code: 'INVALID_INPUT', path, message: 'Choose at least one run: selection.ids is empty.' });
  }
  if (length <= mostRunsById) return null;
  const message = `${length} runs; at most ${mostRunsById} can be chosen by their ids. Choose by a filter, or in parts.`;
  return refused({ code: 'LIMIT_EXCEEDED', path, message, limit: mostRunsById });
}

function tooMany(limit: number, isPreview: boolean): Answer<never> {
  return refused({
    code: 'LIMIT_EXCEEDED',
    path: ['input', 'selection', 'filter'],
    message: `The filter selects more than ${limit} runs, the most that can be ${isPreview ? 'previewed' : 'changed'} at once. Narrow it, for instance by createdAt.`,
    limit,
  });
}
