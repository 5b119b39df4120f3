import type { ConcurrencyConfig } from './pipeline.ts';

/** An initial run as admission sees it. */
export type AdmissionCandidate = {
  readonly id: bigint;
  readonly pipelineUuid: string;
  /** Runs are counted per trigger; null is the group of runs without one. */
  readonly triggerId: bigint | null;
  readonly executionDate: Date;
};

/** What already runs, per pipeline and trigger, and what the pipeline allows. */
export type AdmissionSnapshot = {
  readonly candidates: readonly AdmissionCandidate[];
  readonly running: readonly {
    readonly pipelineUuid: string;
    readonly triggerId: bigint | null;
    readonly count: number;
  }[];
  readonly limits: ReadonlyMap<string, { readonly perGroup: number | null; readonly allTriggers: number | null }>;
  /** A trigger's own limit overrides its pipeline's. */
  readonly triggerLimits: ReadonlyMap<bigint, number>;
};

/** Chooses which initial runs start now: within a pipeline by logical date, then id, as far as its limits have room. */
export function planAdmission(snapshot: AdmissionSnapshot): readonly bigint[] {
  const perGroup = new Map<string, number>();
  const perPipeline = new Map<string, number>();
  const count = (pipelineUuid: string, triggerId: bigint | null, by: number) => {
    const group = groupKey(pipelineUuid, triggerId);
    perGroup.set(group, (perGroup.get(group) ?? 0) + by);
    perPipeline.set(pipelineUuid, (perPipeline.get(pipelineUuid) ?? 0) + by);
  };
  for (const { pipelineUuid, triggerId, count: n } of snapshot.running) count(pipelineUuid, triggerId, n);

  const inOrder = [...snapshot.candidates].sort(
    (a, b) => a.executionDate.getTime() - b.executionDate.getTime() || (a.id < b.id ? -1 : 1),
  );
  const admitted: bigint[] = [];
  for (const { id, pipelineUuid, triggerId } of inOrder) {
    const limits = snapshot.limits.get(pipelineUuid);
    const groupLimit =
      (triggerId === null ? undefined : snapshot.triggerLimits.get(triggerId)) ?? limits?.perGroup ?? null;
    if (groupLimit !== null && (perGroup.get(groupKey(pipelineUuid, triggerId)) ?? 0) >= groupLimit) continue;
    const allLimit = limits?.allTriggers ?? null;
    if (allLimit !== null && (perPipeline.get(pipelineUuid) ?? 0) >= allLimit) continue;
    count(pipelineUuid, triggerId, 1);
    admitted.push(id);
  }
  return admitted;
}

function groupKey(pipelineUuid: string, triggerId: bigint | null): string {
  return `${pipelineUuid}\n${triggerId ?? ''}`;
}

/** Whether a run of this pipeline may start in the moment in which it is created: nothing limits it, so there is nothing to wait for. */
export function startsAtOnce(concurrency: ConcurrencyConfig, triggerLimit: number | null): boolean {
  return (
    triggerLimit === null && concurrency.pipelineRunLimit === null && concurrency.pipelineRunLimitAllTriggers === null
  );
}
