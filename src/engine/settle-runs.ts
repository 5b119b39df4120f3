import { planSettlement } from '../domain/run.ts';
import { applyRunPlan } from '../store/run-plans.ts';
import { lockRun, unsettledRuns } from '../store/run-snapshots.ts';
import type { EngineContext } from './context.ts';

/** Takes the decisions that `step` leaves to the planner: failures, stopped blocks, unusual trigger rules. Answers how many runs it looked at. */
export async function settleRuns(context: EngineContext, runs?: readonly bigint[]): Promise<number> {
  const waiting = runs ?? (await unsettledRuns(context.database.pool));
  for (const runId of waiting) await settleRun(context, runId);
  return waiting.length;
}

async function settleRun(context: EngineContext, runId: bigint): Promise<void> {
  const plan = await context.database.transaction(async (client) => {
    const run = await lockRun(client, runId);
    if (!run) return null;
    const decided = planSettlement(run, context.now());
    await applyRunPlan(client, run, decided, context.now());
    return decided;
  });
  if (!plan) return;
  context.wake(
    'events',
    'ready',
    ...(plan.stop.length > 0 ? (['stop'] as const) : []),
    ...(plan.blocks.some(({ block }) => block.owesCallbacks) ? (['callbacks'] as const) : []),
    ...(plan.to === null ? [] : (['ends', 'admission'] as const)),
  );
}
