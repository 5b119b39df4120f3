import type { StatusReason } from './lifecycle.ts';
import { type BlockChange, nothing, type RunPlan, type RunSnapshot } from './run.ts';

/**
 * Decides what becomes of the block runs that a lost worker held (`held`: id → how many more losses are forgiven): they are queued
 * again, or fail after one loss too many; one that was told to stop is cancelled, as its worker would have reported.
 */
export function planRelease(run: RunSnapshot, held: ReadonlyMap<bigint, number>): RunPlan {
  const blocks: BlockChange[] = run.blocks
    .filter((block) => held.has(block.id))
    .map((block) => {
      if (block.stopRequested) return { block, to: 'cancelled' as const, reason: block.reason, bumpFence: true };
      const isLastStraw = (held.get(block.id) ?? 0) <= 0;
      const reason: StatusReason = {
        code: 'WORKER_LOST',
        message: isLastStraw
          ? 'The worker that ran it was lost, once more than its crash_retries allow.'
          : 'The worker that ran it was lost; it runs again.',
        actor: null,
      };
      if (!isLastStraw) return { block, to: 'queued' as const, reason, bumpFence: true };
      const error = { blockUuid: block.uuid, type: 'WorkerLost', message: reason.message, stackTrace: null };
      return { block, to: 'failed' as const, reason, bumpFence: true, error };
    });
  const announcements = blocks.map(({ block, reason }) => ({ kind: 'block_worker_lost' as const, reason, block }));
  return { ...nothing, announcements, blocks };
}
