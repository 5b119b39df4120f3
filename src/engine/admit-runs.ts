import {
  type AdmissionCandidate,
  type AdmissionPlan,
  type AdmissionSnapshot,
  planAdmission,
} from '../domain/admission.ts';
import { planCancel } from '../domain/run.ts';
import { admissionSnapshot, headOfGroup, lockPipeline } from '../store/admission.ts';
import { startRuns } from '../store/pipeline-runs.ts';
import { applyRunPlans } from '../store/run-plans.ts';
import { lockRuns } from '../store/run-snapshots.ts';
import { noteSkippedTick } from '../store/ticks.ts';
import type { EngineContext } from './context.ts';

/** Runs are started in chunks, so that a flood of starts holds no lock for long. */
const chunk = 50;

/** What a round of admission did. */
export type Admitted = {
  readonly started: number;
  readonly skipped: number;
  /** Whether runs are left that a limit holds back. */
  readonly areSomeWaiting: boolean;
};

/**
 * Starts the initial runs that the limits have room for, in start order, and cancels those that a pipeline says to skip. Several
 * schedulers may call it at once: a limit is never exceeded.
 */
export async function admitRuns(context: EngineContext): Promise<Admitted> {
  let started = 0;
  let skipped = 0;
  for (;;) {
    const snapshot = await admissionSnapshot(context.database.pool, null);
    const { start, skip, waiting } = planAdmission(snapshot);
    const before = started + skipped;
    const pipelineOf = new Map(snapshot.candidates.map((run) => [run.id, run.pipelineUuid]));
    const free = start.filter((id) => !isLimited(snapshot, pipelineOf.get(id)!));
    for (let i = 0; i < free.length; i += chunk) {
      started += (await startRuns(context.database.pool, free.slice(i, i + chunk), context.now())).length;
      context.wake('ready', 'events', 'settle');
    }
    // Only where the first look found something to do: what stands still costs no lock and no transaction.
    const limited = [...start, ...skip.map(({ id }) => id)]
      .map((id) => pipelineOf.get(id)!)
      .filter((uuid) => isLimited(snapshot, uuid));
    for (const pipelineUuid of new Set(limited)) {
      const done = await admitWithinLimits(context, pipelineUuid);
      started += done.started;
      skipped += done.skipped;
    }
    // A group of which only the head was seen may have more that fit.
    if (started + skipped === before || !hasFullHead(snapshot.candidates)) {
      return { started, skipped, areSomeWaiting: waiting > 0 };
    }
  }
}

/** Decides again under the pipeline's lock, and starts there what has room: between two schedulers no slot is given out twice. */
async function admitWithinLimits(context: EngineContext, pipelineUuid: string) {
  const { started, skip } = await context.database.transaction(async (client) => {
    await lockPipeline(client, pipelineUuid);
    const plan = planAdmission(await admissionSnapshot(client, pipelineUuid));
    return { started: (await startRuns(client, plan.start, context.now())).length, skip: plan.skip };
  });
  if (started > 0) context.wake('ready', 'events', 'settle');
  // In a transaction of its own: all locks of one are taken in one order, and these runs lie anywhere among those that started.
  const skipped = skip.length === 0 ? 0 : await skipRuns(context, skip);
  if (skipped > 0) context.wake('events', 'ends');
  return { started, skipped };
}

/** Cancels those of the runs that still wait for their first start; answers how many. */
async function skipRuns(context: EngineContext, skip: AdmissionPlan['skip']): Promise<number> {
  return context.database.transaction(async (client) => {
    const runs = await lockRuns(
      client,
      skip.map(({ id }) => id),
    );
    const plans = skip.flatMap(({ id, reason }) => {
      const run = runs.get(id);
      if (run?.status !== 'initial' || run.attempt > 1) return [];
      return { run, plan: { ...planCancel(run, reason), announcements: [] }, message: reason.message };
    });
    await applyRunPlans(client, plans, context.now());
    for (const { run, message } of plans) await noteSkippedTick(client, run.id, message);
    return plans.length;
  });
}

function isLimited({ limits, triggerLimits, candidates }: AdmissionSnapshot, pipelineUuid: string): boolean {
  if (limits.has(pipelineUuid)) return true;
  if (triggerLimits.size === 0) return false;
  return candidates.some(
    (run) => run.pipelineUuid === pipelineUuid && run.triggerId !== null && triggerLimits.has(run.triggerId),
  );
}

function hasFullHead(candidates: readonly AdmissionCandidate[]): boolean {
  const heads = Map.groupBy(candidates, (run) => `${run.pipelineUuid}\n${run.triggerId}`);
  return [...heads.values()].some((head) => head.length >= headOfGroup);
}
