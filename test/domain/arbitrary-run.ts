import fc from 'fast-check';
import type { BlockRunStatus } from '../../src/domain/lifecycle.ts';
import type { TriggerRule } from '../../src/domain/pipeline.ts';
import type { BlockRunSnapshot, RunPlan, RunSnapshot } from '../../src/domain/run.ts';

/** Any DAG of up to `most` blocks: each block waits for some of those before it. */
export function arbitraryDag(most = 9): fc.Arbitrary<readonly (readonly number[])[]> {
  return fc
    .integer({ min: 1, max: most })
    .chain((size) =>
      fc.tuple(...Array.from({ length: size }, (_, place) => fc.subarray(Array.from({ length: place }, (_, i) => i)))),
    );
}

/** A run of a DAG whose blocks are all initial. */
export function runOf(
  dag: readonly (readonly number[])[],
  options: {
    readonly allowBlocksToFail?: boolean;
    readonly rules?: readonly TriggerRule[];
    readonly blockRunLimit?: number | null;
  } = {},
): RunSnapshot {
  return {
    id: 1n,
    status: 'running',
    endingStatus: null,
    reason: null,
    attempt: 1,
    allowBlocksToFail: options.allowBlocksToFail ?? false,
    blockRunLimit: options.blockRunLimit ?? null,
    openCallbacks: 0,
    isCancelRequested: false,
    blocks: dag.map((upstream, place) => ({
      id: BigInt(place + 1),
      uuid: `b${place + 1}`,
      status: 'initial',
      attempt: 0,
      upstream: upstream.map((above) => BigInt(above + 1)),
      triggerRule: options.rules?.[place] ?? 'all_success',
      stopRequested: false,
      reason: null,
      error: null,
      takesPlace: false,
      comesBackAt: null,
      isBetweenCalls: false,
      owesCallbacks: false,
    })),
  };
}

/** The run after a plan was carried out, as the store does it. */
export function carriedOut(run: RunSnapshot, plan: RunPlan): RunSnapshot {
  const moved = new Map(plan.blocks.map((change) => [change.block.id, change]));
  const stopped = new Set(plan.stop.map((block) => block.id));
  return {
    ...run,
    status: plan.to ?? run.status,
    endingStatus: plan.to !== null ? null : (plan.ending ?? run.endingStatus),
    reason: plan.reason ?? run.reason,
    blocks: run.blocks.map((block) => {
      const change = moved.get(block.id);
      if (change) return { ...block, status: change.to, takesPlace: takesPlace(change.to), stopRequested: false };
      return stopped.has(block.id) ? { ...block, stopRequested: true } : block;
    }),
  };
}

/** The run after one of its blocks moved by itself: a claim, or the end of an attempt. */
export function withBlock(run: RunSnapshot, id: bigint, status: BlockRunStatus): RunSnapshot {
  const blocks = run.blocks.map(
    (block): BlockRunSnapshot => (block.id === id ? { ...block, status, takesPlace: takesPlace(status) } : block),
  );
  return { ...run, blocks };
}

function takesPlace(status: BlockRunStatus): boolean {
  return status === 'queued' || status === 'running';
}
