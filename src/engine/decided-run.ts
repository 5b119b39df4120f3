import { type Answer, type Refusal, refused } from '../domain/refusal.ts';
import type { PlannedRun } from '../store/run-plans.ts';

/** What an action comes to for one run: the run that will answer for it, and the plan to carry out; null when nothing changes. */
export type DecidedRun = { readonly runId: bigint; readonly planned: PlannedRun | null };

export function noSuchRun(runId: bigint): Answer<never> {
  return refused(noRun(runId));
}

export function noRun(runId: bigint): Refusal {
  return { code: 'NOT_FOUND', message: `There is no run run_${runId}.` };
}
