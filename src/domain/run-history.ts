import type { RunEventKind } from './events.ts';
import type { StatusReason } from './lifecycle.ts';
import type { RunPlan, RunSnapshot } from './run.ts';

/** One history entry to be written, before it has its seq. */
export type HistoryEntry = {
  readonly kind: RunEventKind;
  readonly blockRunId?: string;
  readonly blockUuid?: string;
  readonly attempt?: number;
  readonly from?: string;
  readonly to?: string;
  readonly actor: string | null;
  readonly code: string | null;
  readonly message: string | null;
};

/** The history of a plan, in the order in which it is told: what was asked, what became of the blocks, what became of the run. */
export function planHistory(run: RunSnapshot, plan: RunPlan): readonly HistoryEntry[] {
  const announced = plan.announcements.map(({ kind, reason, block }) => ({
    kind,
    ...(block ? { blockRunId: block.id.toString(), blockUuid: block.uuid, attempt: block.attempt } : {}),
    ...why(reason),
  }));
  const moved = plan.blocks.map(({ block, to, reason }) => ({
    kind: 'block_status_changed' as const,
    blockRunId: block.id.toString(),
    blockUuid: block.uuid,
    attempt: block.attempt,
    from: block.status,
    to,
    ...why(reason),
  }));
  if (plan.to === null) return [...announced, ...moved];
  return [...announced, ...moved, { kind: 'run_status_changed', from: run.status, to: plan.to, ...why(plan.reason) }];
}

function why(reason: StatusReason | null) {
  return { actor: reason?.actor ?? null, code: reason?.code ?? null, message: reason?.message ?? null };
}
