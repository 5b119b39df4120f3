import type { StatusReason } from './lifecycle.ts';
import type { ConcurrencyConfig } from './pipeline.ts';

/** An initial run as admission sees it. */
export type AdmissionCandidate = {
  readonly id: bigint;
  readonly pipelineUuid: string;
  /** Runs are counted per trigger; null is the group of runs without one. */
  readonly triggerId: bigint | null;
  readonly executionDate: Date;
  readonly isOfBackfill: boolean;
  /** Whether a tick, an event or a webhook made it and nobody retried it: such a run may be skipped, a person's never. */
  readonly isSkippable: boolean;
};

/** What a pipeline allows to run at once; null for no limit. */
export type PipelineLimits = {
  readonly perGroup: number | null;
  readonly allTriggers: number | null;
  readonly onReached: 'wait' | 'skip';
};

/** What already runs, per pipeline and trigger, and what the pipelines allow. */
export type AdmissionSnapshot = {
  readonly candidates: readonly AdmissionCandidate[];
  readonly running: readonly {
    readonly pipelineUuid: string;
    readonly triggerId: bigint | null;
    readonly count: number;
  }[];
  readonly limits: ReadonlyMap<string, PipelineLimits>;
  /** A trigger's own limit overrides its pipeline's. */
  readonly triggerLimits: ReadonlyMap<bigint, number>;
};

export type AdmissionPlan = {
  /** In start order. */
  readonly start: readonly bigint[];
  /** Runs that a limit keeps from starting, where the pipeline says `skip`. */
  readonly skip: readonly { readonly id: bigint; readonly reason: StatusReason }[];
  /** How many of the candidates go on waiting. */
  readonly waiting: number;
};

/** A limit that has no room: its name, what it allows, and how many runs count against it. */
type FullLimit = { readonly name: string; readonly limit: number; readonly running: number; readonly of: string };

/** Decides which initial runs start now: those not of a backfill first, then by logical date, then by id, as far as the limits have room. */
export function planAdmission(snapshot: AdmissionSnapshot): AdmissionPlan {
  const perGroup = new Map<string, number>();
  const perPipeline = new Map<string, number>();
  const count = (pipelineUuid: string, triggerId: bigint | null, by: number) => {
    const group = groupKey(pipelineUuid, triggerId);
    perGroup.set(group, (perGroup.get(group) ?? 0) + by);
    perPipeline.set(pipelineUuid, (perPipeline.get(pipelineUuid) ?? 0) + by);
  };
  for (const { pipelineUuid, triggerId, count: n } of snapshot.running) count(pipelineUuid, triggerId, n);

  const fullLimit = ({ pipelineUuid, triggerId }: AdmissionCandidate): FullLimit | null => {
    const limits = snapshot.limits.get(pipelineUuid);
    const group = groupLimit(snapshot, pipelineUuid, triggerId);
    const inGroup = perGroup.get(groupKey(pipelineUuid, triggerId)) ?? 0;
    if (group !== null && inGroup >= group) {
      const of = triggerId === null ? 'without a trigger' : 'of its trigger';
      return { name: 'pipeline_run_limit', limit: group, running: inGroup, of };
    }
    const all = limits?.allTriggers ?? null;
    const inAll = perPipeline.get(pipelineUuid) ?? 0;
    if (all === null || inAll < all) return null;
    return { name: 'pipeline_run_limit_all_triggers', limit: all, running: inAll, of: 'of its pipeline' };
  };

  const start: bigint[] = [];
  const skip: { id: bigint; reason: StatusReason }[] = [];
  for (const candidate of [...snapshot.candidates].sort(inStartOrder)) {
    const full = fullLimit(candidate);
    if (full === null) {
      count(candidate.pipelineUuid, candidate.triggerId, 1);
      start.push(candidate.id);
    } else if (candidate.isSkippable && snapshot.limits.get(candidate.pipelineUuid)?.onReached === 'skip') {
      skip.push({ id: candidate.id, reason: skipped(full) });
    }
  }
  return { start, skip, waiting: snapshot.candidates.length - start.length - skip.length };
}

/** How many runs of a group (a trigger, or no trigger) may run at once; null for no limit. A trigger's own limit comes before its pipeline's. */
export function groupLimit(
  { limits, triggerLimits }: Pick<AdmissionSnapshot, 'limits' | 'triggerLimits'>,
  pipelineUuid: string,
  triggerId: bigint | null,
): number | null {
  const own = triggerId === null ? undefined : triggerLimits.get(triggerId);
  return own ?? limits.get(pipelineUuid)?.perGroup ?? null;
}

/** Whether a run of this pipeline may start in the moment in which it is created: nothing limits it, so there is nothing to wait for. */
export function startsAtOnce(concurrency: ConcurrencyConfig, triggerLimit: number | null): boolean {
  return (
    triggerLimit === null && concurrency.pipelineRunLimit === null && concurrency.pipelineRunLimitAllTriggers === null
  );
}

function inStartOrder(a: AdmissionCandidate, b: AdmissionCandidate): number {
  return (
    Number(a.isOfBackfill) - Number(b.isOfBackfill) ||
    a.executionDate.getTime() - b.executionDate.getTime() ||
    (a.id < b.id ? -1 : 1)
  );
}

function skipped({ name, limit, running, of }: FullLimit): StatusReason {
  const runs = running === 1 ? '1 run' : `${running} runs`;
  return {
    code: 'SKIPPED_LIMIT',
    message: `Skipped: ${runs} ${of} ran when it was to start, and ${name} allows ${limit}. on_pipeline_run_limit_reached is skip.`,
    actor: null,
  };
}

function groupKey(pipelineUuid: string, triggerId: bigint | null): string {
  return `${pipelineUuid}\n${triggerId ?? ''}`;
}
