import { nothing, type RunPlan, type RunSnapshot } from './run.ts';

/** How long after the grace of a stop its worker may still report, in milliseconds (semantics: grace + 5 s). */
export const reportPatienceMs = 5000;

/**
 * Decides what becomes of block runs that were told to stop and of which no report came: they are cancelled as they would have been,
 * and the fence rises, so that a report that still comes changes nothing, and its worker ends the process at once.
 */
export function planGiveUp(run: RunSnapshot, overdue: ReadonlySet<bigint>): RunPlan {
  const blocks = run.blocks
    .filter((block) => overdue.has(block.id) && block.status === 'running' && block.stopRequested)
    .map((block) => ({ block, to: 'cancelled' as const, reason: block.reason, bumpFence: true }));
  return { ...nothing, blocks };
}
