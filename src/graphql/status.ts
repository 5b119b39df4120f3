import {
  type BlockRunStatus,
  blockRunStatuses,
  type PipelineRunStatus,
  pipelineRunStatuses,
  type RunError,
  type StatusReason,
  type StatusReasonCode,
  statusReasonCodes,
} from '../domain/lifecycle.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';

/** The words for where a run or block run stands, and why. */

export const PipelineRunStatusRef = builder.enumType('PipelineRunStatus', {
  description: 'Where a pipeline run stands: initial → running → completed, failed or cancelled.',
  values: enumValues(pipelineRunStatuses, {
    initial: 'Created, and not started yet.',
    running: 'Started; its block runs are being worked on.',
    completed: 'Ended: every block run completed or was skipped by a condition.',
    failed: 'Ended: a block failed, or the run timed out.',
    cancelled: 'Ended: somebody cancelled it, or it was skipped.',
  } satisfies Record<PipelineRunStatus, string>),
});

export const BlockRunStatusRef = builder.enumType('BlockRunStatus', {
  description:
    'Where a block run stands: initial → queued → running → completed or failed; or an end that it came to without running.',
  values: enumValues(blockRunStatuses, {
    initial: 'Waits for its upstream blocks.',
    queued: 'Ready to run, or waiting for its next automatic retry; a worker will claim it.',
    running: 'A worker runs it, or it is a sensor that waits for its next call.',
    completed: 'Ended: its function returned, its outputs are stored, its tests passed.',
    failed: 'Ended: an error, failed tests, a timeout or a dead process, with no retry left.',
    cancelled: 'Ended: its run was cancelled, failed or timed out.',
    upstream_failed: 'Ended without running: a block that it needs failed.',
    condition_failed: 'Ended without running: its condition, or that of a block before it, was false.',
  } satisfies Record<BlockRunStatus, string>),
});

export const StatusReasonCodeRef = builder.enumType('StatusReasonCode', {
  description: 'Why a run or block run stands where it stands.',
  values: enumValues(statusReasonCodes, {
    SUCCEEDED: 'Everything went well.',
    BLOCK_FAILED: 'Of a run: one of its blocks failed.',
    BLOCK_ERROR: 'Of a block run: its code raised an error.',
    TESTS_FAILED: 'A test of the block failed; its output is kept.',
    CONDITION_FALSE: 'A condition was false.',
    CONDITION_ERROR: 'A condition raised an error.',
    UPSTREAM_FAILED: 'A block that it needs failed.',
    TIMED_OUT: 'It ran longer than its timeout.',
    CANCELLED_BY_USER: 'Somebody cancelled it; `actor` says who.',
    SKIPPED_OVERLAP: 'An earlier run of its trigger was still going.',
    SKIPPED_LIMIT: 'A limit on running pipeline runs was reached, and the pipeline says to skip then.',
    OVERLAP_CANCELLED: 'A newer run of its trigger took its place.',
    PARENT_CANCELLED: 'The run that started it ended.',
    BACKFILL_CANCELLED: 'Its backfill was cancelled.',
    TRIGGER_DELETED: 'Its trigger was deleted before it started.',
    DEFINITION_INVALID: 'Its pipeline had errors when it was to start.',
    PROCESS_DIED: 'The process that ran the block ended without an answer.',
    OUT_OF_MEMORY: "The block's process was killed because memory ran out.",
    WORKER_LOST: 'The worker that ran it disappeared, more often than is forgiven.',
    SHUTDOWN: 'The server was shut down; it will run again.',
    OUTPUT_TOO_LARGE: 'An output was larger than what may be stored.',
    DISK_FULL: 'There was no room to store an output.',
    RUN_ENDED: 'Of a block run: its run ended before it did.',
    OTHER: 'Something else; the message says what.',
  } satisfies Record<StatusReasonCode, string>),
});

export const StatusReasonRef = builder.objectRef<StatusReason>('StatusReason').implement({
  description: 'Why a run or block run stands where it stands.',
  authScopes: forViewers,
  fields: (t) => ({
    code: t.expose('code', { type: StatusReasonCodeRef, description: 'For programs.' }),
    message: t.exposeString('message', { description: 'For people: a sentence.' }),
    actor: t.exposeString('actor', { nullable: true, description: 'The person or token that caused it, if one did.' }),
  }),
});

export const RunErrorRef = builder.objectRef<RunError>('RunError').implement({
  description: "An error of a block's code, or of running it.",
  authScopes: forViewers,
  fields: (t) => ({
    blockUuid: t.exposeString('blockUuid', { nullable: true, description: 'The block that it happened in.' }),
    type: t.exposeString('type', { nullable: true, description: "The exception's type, for instance `ValueError`." }),
    message: t.exposeString('message', { description: 'What it said.' }),
    stackTrace: t.exposeString('stackTrace', {
      nullable: true,
      description: "As a reader of the block's language expects it; null when there is none.",
    }),
  }),
});

type ReasonColumns = {
  readonly reasonCode: string | null;
  readonly reasonMessage: string | null;
  readonly reasonActor?: string | null;
};

/** The reason that a row holds in its columns; null when it has none yet. */
export function statusReason(row: ReasonColumns): StatusReason | null {
  if (row.reasonCode === null) return null;
  return {
    code: row.reasonCode as StatusReasonCode,
    message: row.reasonMessage ?? '',
    actor: row.reasonActor ?? null,
  };
}

/** Milliseconds between two instants; null until both are known. */
export function millisecondsBetween(start: Date | null, end: Date | null): number | null {
  return start && end ? end.getTime() - start.getTime() : null;
}
