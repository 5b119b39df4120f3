import { type Answer, done, refused } from '../domain/refusal.ts';
import { abortBatch, findBatch } from '../store/batches.ts';
import type { EngineContext } from './context.ts';

/** Ends a batch after the piece that is under way; what it did stays done. Aborting twice is the first abort; one that has ended is refused. */
export async function abortBatchOperation(
  context: EngineContext,
  batchId: bigint,
): Promise<Answer<{ readonly batchId: bigint }>> {
  const { pool } = context.database;
  const isAborted = await abortBatch(pool, batchId, context.now());
  if (isAborted) context.wake('batches');
  const batch = isAborted ? null : await findBatch(pool, batchId);
  if (isAborted || batch?.status === 'aborted') return done({ batchId });
  if (!batch)
    return refused({ code: 'NOT_FOUND', path: ['input', 'id'], message: `There is no batch bop_${batchId}.` });
  const status = batch.status === 'previewed' ? 'expired' : batch.status;
  return refused({
    code: 'INVALID_STATE',
    path: ['input', 'id'],
    currentStatus: status,
    message: `The batch is already ${status}; there is nothing left to abort.`,
  });
}
