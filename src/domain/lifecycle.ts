/**
 * The statuses and every legal move between them. `docs/lifecycle.md` is printed from these tables, the store refuses
 * what they don't hold, and a test walks every status × every event.
 */

export const pipelineRunStatuses = ['initial', 'running', 'completed', 'failed', 'cancelled'] as const;
export type PipelineRunStatus = (typeof pipelineRunStatuses)[number];

export const blockRunStatuses = [
  'initial',
  'queued',
  'running',
  'completed',
  'failed',
  'cancelled',
  'upstream_failed',
  'condition_failed',
] as const;
export type BlockRunStatus = (typeof blockRunStatuses)[number];

/** Why a run or block run stands where it stands; for programs. The sentence beside it is for people. */
export const statusReasonCodes = [
  'SUCCEEDED',
  'BLOCK_FAILED',
  'BLOCK_ERROR',
  'TESTS_FAILED',
  'CONDITION_FALSE',
  'CONDITION_ERROR',
  'UPSTREAM_FAILED',
  'TIMED_OUT',
  'CANCELLED_BY_USER',
  'SKIPPED_OVERLAP',
  'SKIPPED_LIMIT',
  'OVERLAP_CANCELLED',
  'PARENT_CANCELLED',
  'BACKFILL_CANCELLED',
  'TRIGGER_DELETED',
  'DEFINITION_INVALID',
  'PROCESS_DIED',
  'OUT_OF_MEMORY',
  'WORKER_LOST',
  'SHUTDOWN',
  'OUTPUT_TOO_LARGE',
  'DISK_FULL',
  'RUN_ENDED',
  'OTHER',
] as const;
export type StatusReasonCode = (typeof statusReasonCodes)[number];

export type StatusReason = {
  readonly code: StatusReasonCode;
  readonly message: string;
  /** Who caused it, when a person or a token did. */
  readonly actor: string | null;
};

/** A run's or a block run's error as it is stored and shown. */
export type RunError = {
  readonly blockUuid: string | null;
  readonly type: string | null;
  readonly message: string;
  readonly stackTrace: string | null;
};

type Move<Status extends string> = { readonly from: Status | null; readonly to: Status; readonly when: string };

export const pipelineRunMoves: readonly Move<PipelineRunStatus>[] = [
  { from: null, to: 'initial', when: 'a tick of a trigger, a person, the API, or a retry of the whole run creates it' },
  { from: 'initial', to: 'running', when: 'it is admitted within the limits; its first blocks are queued' },
  { from: 'initial', to: 'failed', when: 'its definition is invalid at the start' },
  {
    from: 'initial',
    to: 'cancelled',
    when: 'a person cancels it before it starts, or its trigger skips or is deleted',
  },
  { from: 'running', to: 'completed', when: 'every block run has ended and none failed or was cancelled' },
  { from: 'running', to: 'failed', when: 'every block run has ended and one failed, or the run timed out' },
  { from: 'running', to: 'cancelled', when: 'it was cancelled and nothing of it runs any more' },
  { from: 'completed', to: 'initial', when: 'a person retries it from a block' },
  { from: 'failed', to: 'initial', when: 'a person retries its incomplete blocks, or from a block' },
  { from: 'cancelled', to: 'initial', when: 'a person retries its incomplete blocks, or from a block' },
];

export const blockRunMoves: readonly Move<BlockRunStatus>[] = [
  { from: null, to: 'initial', when: 'its run is created' },
  { from: 'initial', to: 'queued', when: 'its trigger rule is met' },
  {
    from: 'initial',
    to: 'upstream_failed',
    when: 'its trigger rule can not be met any more because an upstream failed',
  },
  {
    from: 'initial',
    to: 'condition_failed',
    when: 'its trigger rule can not be met any more because an upstream was skipped',
  },
  { from: 'initial', to: 'cancelled', when: 'its run is cancelled, fails or times out' },
  { from: 'queued', to: 'running', when: 'a worker claims it' },
  { from: 'queued', to: 'cancelled', when: 'its run is cancelled, fails or times out' },
  { from: 'running', to: 'completed', when: 'its function returned, its outputs are stored and its tests passed' },
  { from: 'running', to: 'failed', when: 'an error, failed tests, a timeout or a dead process, with no retry left' },
  { from: 'running', to: 'queued', when: 'it will be retried, or its worker was lost or shut down' },
  { from: 'running', to: 'condition_failed', when: 'its own condition was false' },
  { from: 'running', to: 'cancelled', when: 'its run is cancelled, fails or times out, and its process is gone' },
  { from: 'completed', to: 'initial', when: 'a retry runs it again' },
  { from: 'failed', to: 'initial', when: 'a retry runs it again' },
  { from: 'cancelled', to: 'initial', when: 'a retry runs it again' },
  { from: 'upstream_failed', to: 'initial', when: 'a retry runs it again' },
  { from: 'condition_failed', to: 'initial', when: 'a retry runs it again' },
];

export function isTerminalRun(status: PipelineRunStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

export function isTerminalBlock(status: BlockRunStatus): boolean {
  return status !== 'initial' && status !== 'queued' && status !== 'running';
}

export function isLegalRunMove(from: PipelineRunStatus | null, to: PipelineRunStatus): boolean {
  return pipelineRunMoves.some((move) => move.from === from && move.to === to);
}

export function isLegalBlockMove(from: BlockRunStatus | null, to: BlockRunStatus): boolean {
  return blockRunMoves.some((move) => move.from === from && move.to === to);
}
