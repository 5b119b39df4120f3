import type { BlockRunStatus } from './lifecycle.ts';
import { executableBlocks, type PipelineDefinition } from './pipeline.ts';
import type { Refusal } from './refusal.ts';
import type { InPlaceRetry, RetryPlanReason } from './retry.ts';
import type { RunSnapshot } from './run.ts';

/** What a retry would do, said before it is done. It is made of the very decision that the retry carries out, so the two can't differ. */
export type RetryPlan = {
  /** What runs again, in definition order. */
  readonly blockRuns: readonly RetryPlanItem[];
  /** What keeps its newest output. */
  readonly reuses: readonly RetryPlanItem[];
  readonly refused: Refusal | null;
  readonly createsNewRun: boolean;
  /** The pipeline is not what it was when the run, or its newest attempt, was made. */
  readonly definitionChanged: boolean;
};

export type RetryPlanItem = {
  readonly blockUuid: string;
  /** How it stands now. */
  readonly status: BlockRunStatus;
  readonly reason: RetryPlanReason | 'FRESH' | 'REUSED';
};

/** The plan of a retry in place. */
export function planInPlace(run: RunSnapshot, chosen: InPlaceRetry, definitionChanged: boolean): RetryPlan {
  const blockRuns: RetryPlanItem[] = [];
  const reuses: RetryPlanItem[] = [];
  for (const { id, uuid, status } of run.blocks) {
    const reason = chosen.get(id);
    if (reason !== undefined) blockRuns.push({ blockUuid: uuid, status, reason });
    else if (status === 'completed') reuses.push({ blockUuid: uuid, status, reason: 'REUSED' });
  }
  return { blockRuns, reuses, refused: null, createsNewRun: false, definitionChanged };
}

/** The plan of a retry of the whole: every block of the present definition runs in a new run. */
export function planAnew(run: RunSnapshot, definition: PipelineDefinition, definitionChanged: boolean): RetryPlan {
  const standing = new Map(run.blocks.map((block) => [block.uuid, block.status]));
  const blockRuns = executableBlocks(definition).map(({ uuid }) => ({
    blockUuid: uuid,
    status: standing.get(uuid) ?? ('initial' as const),
    reason: 'FRESH' as const,
  }));
  return { blockRuns, reuses: [], refused: null, createsNewRun: true, definitionChanged };
}

/** The plan of a retry that is refused: nothing runs. */
export function planRefused(refused: Refusal, createsNewRun: boolean, definitionChanged: boolean): RetryPlan {
  return { blockRuns: [], reuses: [], refused, createsNewRun, definitionChanged };
}
