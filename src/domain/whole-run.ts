import { isTerminalRun, type PipelineRunStatus } from './lifecycle.ts';

/**
 * What a run's own row tells. It is enough to decide about most runs of a large batch as wholes, without looking at their block runs:
 * of ten thousand runs that wait, a hundred thousand rows stay where they are.
 */
export type RunOutline = {
  readonly id: bigint;
  readonly status: PipelineRunStatus;
  readonly endingStatus: PipelineRunStatus | null;
  readonly attempt: number;
  readonly pipelineUuid: string;
  /** The version that its block runs were made from. */
  readonly version: string;
  readonly hasCallbacks: boolean;
  readonly blocksTotal: number;
  readonly blocksRunning: number;
  readonly blocksCompleted: number;
};

/**
 * Whether a cancel does the same to every block run that has not ended, and ends the run at once: nothing runs that would have to be
 * stopped, no callback has its say, and no earlier cause decides the end. Then it does what `planCancel` would; a test holds the
 * two against each other.
 */
export function isCancelledAsWhole(run: RunOutline): boolean {
  return !isTerminalRun(run.status) && run.endingStatus === null && run.blocksRunning === 0 && !run.hasCallbacks;
}

/**
 * Whether a retry of what is incomplete does the same to every block run that has not completed. Then it does what
 * `chooseBlocksToRetry` and `planRetry` would, as long as the outputs that it would reuse are there.
 */
export function isRetriedAsWhole(run: RunOutline): boolean {
  return (
    (run.status === 'failed' || run.status === 'cancelled') &&
    run.blocksCompleted < run.blocksTotal &&
    !run.hasCallbacks
  );
}
