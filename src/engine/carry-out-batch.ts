import type { BatchAction } from '../domain/batch.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { carryOutPreview, findBatch, findBatchByKey } from '../store/batches.ts';
import type { EngineContext } from './context.ts';
import { hashOf } from './input-hash.ts';
import { goOn, keyTaken } from './start-batch.ts';

export type CarryOutBatchInput = {
  readonly batchId: bigint;
  /** What the caller means to do; a plan of something else is refused. */
  readonly action: BatchAction;
  readonly actor: string;
  readonly reason: string | null;
  readonly expectedAttempt: number | null;
  readonly idempotencyKey: string | null;
};

/** Carries out a previewed batch: the runs, and how, are those of the plan. Twice is the same as once. Refuses a plan whose time is over. */
export async function carryOutBatch(
  context: EngineContext,
  input: CarryOutBatchInput,
): Promise<Answer<{ readonly batchId: bigint }>> {
  const { pool } = context.database;
  const { batchId, action, idempotencyKey } = input;
  const idempotencyHash =
    idempotencyKey === null ? null : hashOf([action, batchId, input.reason, input.expectedAttempt]);
  const holder = idempotencyKey === null ? null : await findBatchByKey(pool, action, idempotencyKey);
  if (holder && (holder.id !== batchId || holder.idempotencyHash !== idempotencyHash)) return keyTaken(holder);

  const batch = await findBatch(pool, batchId);
  if (batch && batch.work.action !== action) {
    return refused({
      code: 'INVALID_INPUT',
      path: ['input', 'selection', 'planId'],
      message: `bop_${batchId} is a plan to ${batch.work.action} runs, not to ${action} them.`,
    });
  }
  const isBegun = await carryOutPreview(pool, batchId, { ...input, idempotencyHash }, context.now()).catch(
    (error: unknown) => {
      if (isTakenKey(error)) return 'taken' as const;
      throw error;
    },
  );
  if (isBegun === 'taken') return keyTaken(await findBatchByKey(pool, action, idempotencyKey ?? ''));
  if (!isBegun) {
    // Somebody was faster, perhaps this caller's own first try: then it is under way, and that is what was asked for.
    const now = await findBatch(pool, batchId);
    if (now?.status !== 'running' && now?.status !== 'completed') return refused(expired(batchId));
  }
  await goOn(context, batchId);
  return done({ batchId });
}

function expired(batchId: bigint) {
  return {
    code: 'PLAN_EXPIRED',
    path: ['input', 'selection', 'planId'],
    message: `There is no plan bop_${batchId} that can be carried out: a preview holds for 15 minutes. Preview again.`,
  } as const;
}

/** Another batch of the action took the key in this very moment. */
function isTakenKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23505';
}
