import { descendants } from './graph.ts';
import type { BlockRunStatus, StatusReason } from './lifecycle.ts';
import { isTerminalRun } from './lifecycle.ts';
import { type Answer, done, refused } from './refusal.ts';
import { type BlockRunSnapshot, nothing, type RunPlan, type RunSnapshot } from './run.ts';

export type RetryPlanReason = 'NOT_COMPLETED' | 'SELECTED' | 'DOWNSTREAM' | 'UPSTREAM_INCOMPLETE' | 'OUTPUT_GONE';

/** What a retry in place would do: which block runs run again, and why each. */
export type InPlaceRetry = ReadonlyMap<bigint, RetryPlanReason>;

/**
 * Chooses the block runs that a retry in place resets. INCOMPLETE: every one that is not completed. FROM_BLOCK: the block,
 * everything downstream of it, and every ancestor of these that is neither completed nor skipped by its condition.
 */
export function chooseBlocksToRetry(
  run: RunSnapshot,
  mode: 'incomplete' | 'from_block',
  fromBlock: string | null,
): Answer<InPlaceRetry> {
  if (!isTerminalRun(run.status)) {
    return refused({
      code: 'INVALID_STATE',
      currentStatus: run.status,
      message: `The run is ${run.status}. Only a run that has ended can be retried; cancel it first, or wait.`,
    });
  }
  if (run.blocks.length === 0) {
    return refused({
      code: 'INVALID_STATE',
      currentStatus: run.status,
      message: 'The run has no block runs. Retry it with mode ALL.',
    });
  }
  return mode === 'incomplete' ? incomplete(run) : fromBlockOn(run, fromBlock);
}

function incomplete(run: RunSnapshot): Answer<InPlaceRetry> {
  const chosen = run.blocks.filter((block) => block.status !== 'completed');
  if (run.status === 'completed' || chosen.length === 0) {
    const skipped = chosen.length === 0 ? '' : ' or was skipped by its condition';
    return refused({
      code: 'INVALID_STATE',
      currentStatus: run.status,
      message: `Every block of the run completed${skipped}. Retry it with mode ALL, or from a block.`,
    });
  }
  return done(new Map(chosen.map((block) => [block.id, 'NOT_COMPLETED'])));
}

function fromBlockOn(run: RunSnapshot, fromBlock: string | null): Answer<InPlaceRetry> {
  const start = run.blocks.find((block) => block.uuid === fromBlock);
  if (!start) {
    return refused({
      code: 'INVALID_INPUT',
      path: ['fromBlock'],
      message: fromBlock === null ? 'Mode FROM_BLOCK needs fromBlock.' : `The run has no block named ${fromBlock}.`,
    });
  }
  const reasons = new Map<bigint, RetryPlanReason>([[start.id, 'SELECTED']]);
  for (const id of descendants(downstreamOf(run.blocks), [start.id])) reasons.set(id, 'DOWNSTREAM');

  return done(withIncompleteAncestors(run, reasons));
}

/** Adds every ancestor that is neither completed nor skipped, also above completed ones: while one stands as failed, the run can't complete. */
function withIncompleteAncestors(run: RunSnapshot, chosen: InPlaceRetry): InPlaceRetry {
  const upstream = new Map(run.blocks.map((block) => [block.id, block.upstream]));
  const above = descendants(upstream, chosen.keys());
  const incomplete = run.blocks.filter(
    ({ id, status }) => above.has(id) && status !== 'completed' && status !== 'condition_failed',
  );
  return new Map([...incomplete.map((block) => [block.id, 'UPSTREAM_INCOMPLETE'] as const), ...chosen]);
}

/** Adds the completed block runs whose outputs are `gone` where something that runs would be handed them, and so on upwards. */
export function withLostUpstreams(run: RunSnapshot, chosen: InPlaceRetry, gone: ReadonlySet<bigint>): InPlaceRetry {
  const byId = new Map(run.blocks.map((block) => [block.id, block]));
  const reasons = new Map(chosen);
  const waiting = [...reasons.keys()];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const above of byId.get(id)?.upstream ?? []) {
      if (reasons.has(above) || !gone.has(above)) continue;
      reasons.set(above, 'OUTPUT_GONE');
      waiting.push(above);
    }
  }
  return reasons;
}

/** The completed block runs above the chosen ones: what they would be handed is to be there still. */
export function reusedUpstreams(run: RunSnapshot, chosen: InPlaceRetry): readonly bigint[] {
  const byId = new Map(run.blocks.map((block) => [block.id, block]));
  const seen = new Set<bigint>(chosen.keys());
  const waiting = [...seen];
  const reused: bigint[] = [];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const above of byId.get(id)?.upstream ?? []) {
      if (seen.has(above)) continue;
      seen.add(above);
      waiting.push(above);
      if (byId.get(above)?.status === 'completed') reused.push(above);
    }
  }
  return reused;
}

/** Turns the choice into changes: the chosen go back to initial, each with the number of upstreams that it has to wait for. */
export function planRetry(run: RunSnapshot, chosen: InPlaceRetry, reason: StatusReason): RunPlan {
  const after = new Map<bigint, BlockRunStatus>(
    run.blocks.map((block) => [block.id, chosen.has(block.id) ? 'initial' : block.status]),
  );
  const blocks = run.blocks
    .filter((block) => chosen.has(block.id))
    .map((block) => ({
      block,
      to: 'initial' as const,
      reason: null,
      pendingUpstream: block.upstream.filter((id) => after.get(id) !== 'completed').length,
    }));
  return { ...nothing, announcements: [{ kind: 'run_retried', reason }], blocks, to: 'initial' };
}

function downstreamOf(blocks: readonly BlockRunSnapshot[]): Map<bigint, bigint[]> {
  const downstream = new Map<bigint, bigint[]>(blocks.map((block) => [block.id, []]));
  for (const block of blocks) for (const above of block.upstream) downstream.get(above)?.push(block.id);
  return downstream;
}
