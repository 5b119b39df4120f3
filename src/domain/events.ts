import type { StatusReasonCode } from './lifecycle.ts';

export const runEventKinds = [
  'run_created',
  'run_status_changed',
  'block_status_changed',
  'block_retry_scheduled',
  'block_worker_lost',
  'run_retried',
  'cancel_requested',
  'blocker_changed',
  'sla_missed',
  'timed_out',
  'variables_changed',
  'callback_failed',
  'alert_sent',
  'alert_failed',
  'run_deleted',
] as const;
export type RunEventKind = (typeof runEventKinds)[number];

/** One entry of a run's history, as the log keeps it. `seq` counts 1, 2, 3 … within the run, without gaps; `id` has the same order within it. */
export type RunEventRecord = {
  readonly id: bigint;
  readonly pipelineRunId: bigint;
  readonly seq: number;
  readonly at: Date;
  readonly kind: RunEventKind;
  readonly pipelineUuid: string;
  readonly runAttempt: number;
  readonly blockRunId: bigint | null;
  readonly blockUuid: string | null;
  readonly attempt: number | null;
  readonly fromStatus: string | null;
  readonly toStatus: string | null;
  readonly actor: string | null;
  readonly reasonCode: StatusReasonCode | null;
  readonly reasonMessage: string | null;
};
