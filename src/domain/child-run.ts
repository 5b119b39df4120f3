import type { PipelineRunStatus } from './lifecycle.ts';
import { type Answer, done, refused } from './refusal.ts';

/** A run without a parent has depth 0; a run this deep starts no further one, so that a pipeline that starts itself comes to an end. */
export const deepestRun = 10;

/** The most calls of one attempt that start runs. */
export const mostCalls = 10_000;

/** The block run whose code asks for a run of another pipeline. */
export type CallingBlock = {
  readonly uuid: string;
  /** Whether the attempt that asks is still the one that counts, and was not told to stop. */
  readonly isCurrent: boolean;
  /** Automatic retries used so far. */
  readonly retries: number;
  /** Of its run. */
  readonly depth: number;
};

/** What an earlier attempt of the same block run, in the same attempt of its run, has started by the same call. */
export type EarlierChild = {
  readonly id: bigint;
  readonly key: number;
  readonly status: PipelineRunStatus;
  readonly waits: boolean;
};

/**
 * A call's number as it is stored with the run that it made: the same for an attempt that repeats a lost one, another one after
 * each automatic retry.
 */
function callKey(call: number, retries: number): number {
  return retries * mostCalls + call;
}

/**
 * Decides what a call (1 for the attempt's first) comes to: a run that it has made already, or a new one. A lost attempt's call
 * finds its run, however it stands. After an automatic retry what completed is not done again, nor what nobody waits for; but what
 * failed is, and what was cancelled because the attempt before had ended.
 */
export function decideChildRun(
  block: CallingBlock,
  call: number,
  earlier: EarlierChild | null,
): Answer<{ readonly found: bigint } | { readonly key: number; readonly depth: number }> {
  if (!block.isCurrent) {
    return refused({
      code: 'INVALID_STATE',
      currentStatus: 'stopping',
      message: `Block ${block.uuid} is being stopped, so it starts no other run.`,
    });
  }
  const key = callKey(call, block.retries);
  if (earlier !== null && (earlier.key === key || isGoodEnough(earlier))) return done({ found: earlier.id });
  if (call >= mostCalls) {
    return refused({
      code: 'LIMIT_EXCEEDED',
      limit: mostCalls,
      message: `Block ${block.uuid} has started ${mostCalls - 1} runs; one attempt can't start more.`,
    });
  }
  if (block.depth >= deepestRun) {
    return refused({
      code: 'LIMIT_EXCEEDED',
      limit: deepestRun,
      message: `Runs that start runs can be ${deepestRun} deep, and the run of block ${block.uuid} is. Does a pipeline start itself?`,
    });
  }
  return done({ key, depth: block.depth + 1 });
}

function isGoodEnough({ status, waits }: EarlierChild): boolean {
  return status === 'completed' || (!waits && status !== 'failed' && status !== 'cancelled');
}
