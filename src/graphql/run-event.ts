import { type RunEventKind, type RunEventRecord, runEventKinds } from '../domain/events.ts';
import type { BlockRunStatus, PipelineRunStatus } from '../domain/lifecycle.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { formatId } from './ids.ts';
import { BlockRunStatusRef, PipelineRunStatusRef, StatusReasonRef, statusReason } from './status.ts';

/** Entries of a run's history, as queries and subscriptions show them. */

export const RunEventKindRef = builder.enumType('RunEventKind', {
  description: 'What an event of a run is about. More may be added.',
  values: enumValues(runEventKinds, {
    run_created: 'The run was made.',
    run_status_changed: 'The run moved to another status.',
    block_status_changed: 'A block run moved to another status.',
    block_retry_scheduled: 'A failed attempt will be retried by itself.',
    block_worker_lost: 'The worker that ran a block disappeared.',
    run_retried: 'Somebody retried the run in place, or in a new run.',
    cancel_requested: 'Somebody asked to cancel it.',
    blocker_changed: 'What it waits for changed.',
    sla_missed: 'It took longer than its SLA.',
    timed_out: 'It ran longer than its timeout.',
    variables_changed: 'A retry changed its variables.',
    callback_failed: 'A callback raised an error.',
    alert_sent: 'Somebody was told.',
    alert_failed: 'Somebody could not be told.',
    run_deleted: 'The run was deleted.',
  } satisfies Record<RunEventKind, string>),
});

export type CursoredEvent = { readonly cursor: string; readonly event: RunEventRecord };

export const RunEventRef = builder.objectRef<CursoredEvent>('RunEvent').implement({
  description:
    "One entry of a run's history: what changed, when, by whom. `seq` counts 1, 2, 3 … within a run, without gaps.",
  authScopes: forViewers,
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'The same string that edges carry and that `after` of queries and subscriptions takes.',
    }),
    seq: t.int({ description: 'Its number within its run.', resolve: ({ event }) => event.seq }),
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: ({ event }) => event.at }),
    kind: t.field({ type: RunEventKindRef, description: 'What it is about.', resolve: ({ event }) => event.kind }),
    pipelineRunId: t.id({ description: 'The run.', resolve: ({ event }) => formatId('run', event.pipelineRunId) }),
    pipelineUuid: t.string({ description: 'Its pipeline.', resolve: ({ event }) => event.pipelineUuid }),
    runAttempt: t.int({ description: 'The attempt of the run.', resolve: ({ event }) => event.runAttempt }),
    blockRunId: t.id({
      nullable: true,
      description: 'The block run, where the event is about one.',
      resolve: ({ event }) => (event.blockRunId === null ? null : formatId('blk', event.blockRunId)),
    }),
    blockUuid: t.string({ nullable: true, description: 'Its block.', resolve: ({ event }) => event.blockUuid }),
    attempt: t.int({
      nullable: true,
      description: 'The attempt of the block run.',
      resolve: ({ event }) => event.attempt,
    }),
    blockStatus: t.field({
      type: BlockRunStatusRef,
      nullable: true,
      description: "The block run's new status, where the event is about it.",
      resolve: ({ event }) => (isAboutBlock(event) ? (event.toStatus as BlockRunStatus | null) : null),
    }),
    runStatus: t.field({
      type: PipelineRunStatusRef,
      nullable: true,
      description: "The run's new status, where the event is about it.",
      resolve: ({ event }) => (isAboutRun(event) ? (event.toStatus as PipelineRunStatus | null) : null),
    }),
    from: t.string({
      nullable: true,
      description: 'The status before, named as in the enums; of BLOCKER_CHANGED, the code of the blocker before.',
      resolve: ({ event }) => event.fromStatus?.toUpperCase() ?? null,
    }),
    to: t.string({
      nullable: true,
      description: 'The status after, named as in the enums; of BLOCKER_CHANGED, the code of the blocker now.',
      resolve: ({ event }) => event.toStatus?.toUpperCase() ?? null,
    }),
    actor: t.string({
      nullable: true,
      description: 'The person or token that caused it, if one did.',
      resolve: ({ event }) => event.actor,
    }),
    reason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why.',
      resolve: ({ event }) => reasonOf(event),
    }),
  }),
});

function isAboutBlock({ blockRunId }: RunEventRecord): boolean {
  return blockRunId !== null;
}

/** What BLOCKER_CHANGED moves from and to are codes of blockers. */
function isAboutRun({ blockRunId, kind }: RunEventRecord): boolean {
  return blockRunId === null && kind !== 'blocker_changed';
}

export function reasonOf(event: RunEventRecord) {
  return statusReason({
    reasonCode: event.reasonCode,
    reasonMessage: event.reasonMessage,
    reasonActor: event.actor,
  });
}
