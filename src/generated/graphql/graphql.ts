/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
// Generated from src/client/*.graphql and schema.graphql by `npm run generate`. Do not edit.
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Where a block run stands: initial → queued → running → completed or failed; or an end that it came to without running. */
export type BlockRunStatus =
  /** Ended: its run was cancelled, failed or timed out. */
  | 'CANCELLED'
  /** Ended: its function returned, its outputs are stored, its tests passed. */
  | 'COMPLETED'
  /** Ended without running: its condition, or that of a block before it, was false. */
  | 'CONDITION_FAILED'
  /** Ended: an error, failed tests, a timeout or a dead process, with no retry left. */
  | 'FAILED'
  /** Waits for its upstream blocks. */
  | 'INITIAL'
  /** Ready to run, or waiting for its next automatic retry; a worker will claim it. */
  | 'QUEUED'
  /** A worker runs it. */
  | 'RUNNING'
  /** Ended without running: a block that it needs failed. */
  | 'UPSTREAM_FAILED';

/** Which changes; everything given must hold. */
export type BlockRunStatusChangeFilter = {
  /** The block. */
  readonly blockUuid?: StringFilter | null | undefined;
  /** The run. */
  readonly pipelineRunId?: IdFilter | null | undefined;
  /** The pipeline. */
  readonly pipelineUuid?: StringFilter | null | undefined;
  /** The new status: one of these. */
  readonly to?: ReadonlyArray<BlockRunStatus> | null | undefined;
};

/** Which runs to cancel. */
export type CancelPipelineRunsInput = {
  /** For the history: why. */
  readonly reason?: string | null | undefined;
  /** Which runs. */
  readonly selection: PipelineRunSelection;
};

/** Where the server keeps its data. */
export type DatabaseKind =
  /** In a Postgres that it starts itself, in its data directory. */
  | 'EMBEDDED'
  /** In a Postgres that it was given the address of. */
  | 'EXTERNAL';

/** Half-open: gte ≤ value < lt. */
export type DateTimeFilter = {
  /** At this instant or later. */
  readonly gte?: string | null | undefined;
  /** true: has no value yet; false: has one. */
  readonly isNull?: boolean | null | undefined;
  /** Before this instant. */
  readonly lt?: string | null | undefined;
};

/** Why an action was refused, for programs. */
export type ErrorCode =
  /** Something else stands in the way. */
  | 'CONFLICT'
  /** The caller's role does not allow the action. */
  | 'FORBIDDEN'
  /** The input can not be meant; `path` says where it lies. */
  | 'INVALID_INPUT'
  /** The status of the run does not allow the action. */
  | 'INVALID_STATE'
  /** What the action is about does not exist, or is not visible to the caller. */
  | 'NOT_FOUND'
  /** The pipeline's files have errors. */
  | 'PIPELINE_INVALID';

/** Half-open: gte ≤ value < lt. */
export type FloatFilter = {
  /** This or more. */
  readonly gte?: number | null | undefined;
  /** Less than this. */
  readonly lt?: number | null | undefined;
};

/** Comparisons of an id; all that are given must hold. */
export type IdFilter = {
  /** Exactly this. */
  readonly eq?: string | null | undefined;
  /** One of these; an empty list matches nothing. */
  readonly in?: ReadonlyArray<string> | null | undefined;
  /** None of these. */
  readonly notIn?: ReadonlyArray<string> | null | undefined;
};

/** Which pipeline runs; everything given must hold. A null means "not given". */
export type PipelineRunFilter = {
  /** All of these must hold. */
  readonly and?: ReadonlyArray<PipelineRunFilter> | null | undefined;
  /** What caused it: one of these. */
  readonly cause?: ReadonlyArray<RunCause> | null | undefined;
  /** When it ended. */
  readonly completedAt?: DateTimeFilter | null | undefined;
  /** When it was made. */
  readonly createdAt?: DateTimeFilter | null | undefined;
  /** How long it took; only ended runs match. */
  readonly durationMs?: FloatFilter | null | undefined;
  /** The logical date. */
  readonly executionDate?: DateTimeFilter | null | undefined;
  /** The run itself. */
  readonly id?: IdFilter | null | undefined;
  /** true: the run failed and is the newest of its retries; false or null: no filter. */
  readonly lastRunFailed?: boolean | null | undefined;
  /** This must not hold. */
  readonly not?: PipelineRunFilter | null | undefined;
  /** One of these must hold; an empty list matches nothing. */
  readonly or?: ReadonlyArray<PipelineRunFilter> | null | undefined;
  /** Whether it took longer than its SLA. */
  readonly passedSla?: boolean | null | undefined;
  /** The pipeline that it is a run of. */
  readonly pipelineUuid?: StringFilter | null | undefined;
  /** When its present attempt began. */
  readonly startedAt?: DateTimeFilter | null | undefined;
  /** Where it stands. */
  readonly status?: PipelineRunStatusFilter | null | undefined;
  /** Why it stands there: one of these. */
  readonly statusReason?: ReadonlyArray<StatusReasonCode> | null | undefined;
  /** A tag of the run's pipeline. */
  readonly tag?: StringFilter | null | undefined;
  /** The trigger that it ran under. */
  readonly triggerId?: IdFilter | null | undefined;
};

/** Which runs. */
export type PipelineRunSelection = {
  /** By their ids: at least one, at most 1,000. */
  readonly ids?: ReadonlyArray<string> | null | undefined;
};

/** Where a pipeline run stands: initial → running → completed, failed or cancelled. */
export type PipelineRunStatus =
  /** Ended: somebody cancelled it, or it was skipped. */
  | 'CANCELLED'
  /** Ended: every block run completed or was skipped by a condition. */
  | 'COMPLETED'
  /** Ended: a block failed, or the run timed out. */
  | 'FAILED'
  /** Created, and not started yet. */
  | 'INITIAL'
  /** Started; its block runs are being worked on. */
  | 'RUNNING';

/** Which changes; everything given must hold. */
export type PipelineRunStatusChangeFilter = {
  /** The run. */
  readonly pipelineRunId?: IdFilter | null | undefined;
  /** The pipeline. */
  readonly pipelineUuid?: StringFilter | null | undefined;
  /** A tag of the run's pipeline. */
  readonly tag?: StringFilter | null | undefined;
  /** The new status: one of these. */
  readonly to?: ReadonlyArray<PipelineRunStatus> | null | undefined;
};

/** Comparisons of a status; all that are given must hold. */
export type PipelineRunStatusFilter = {
  /** One of these; an empty list matches nothing. */
  readonly in?: ReadonlyArray<PipelineRunStatus> | null | undefined;
  /** None of these. */
  readonly notIn?: ReadonlyArray<PipelineRunStatus> | null | undefined;
};

/** How bad a problem in a project file is. */
export type ProblemSeverity =
  /** The pipeline can not run. */
  | 'ERROR'
  /** It runs, but perhaps not as meant. */
  | 'WARNING';

/** What a retry runs again. */
export type RetryMode =
  /** A new run with the same logical date and variables. */
  | 'ALL'
  /** The block named by fromBlock and everything downstream of it run again, in the same run. */
  | 'FROM_BLOCK'
  /** Block runs that are not completed run again, in the same run. */
  | 'INCOMPLETE';

/** Which runs to retry, and how. */
export type RetryPipelineRunsInput = {
  /** Refuses a run whose attempt is another: one effect for many callers. */
  readonly expectedAttempt?: number | null | undefined;
  /** With mode FROM_BLOCK: the uuid of the block. */
  readonly fromBlock?: string | null | undefined;
  /** INCOMPLETE unless given. */
  readonly mode?: RetryMode | null | undefined;
  /** For the history: why. */
  readonly reason?: string | null | undefined;
  /** Which runs. */
  readonly selection: PipelineRunSelection;
  /** Overrides for this and later attempts. A value equal to its mask means unchanged. */
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
};

/** What somebody may do; each role may do everything that the one before it may. */
export type Role =
  /** Also edits triggers and tokens, and deletes. */
  | 'ADMIN'
  /** Also triggers, retries and cancels runs, and switches triggers on and off. */
  | 'OPERATOR'
  /** Reads. */
  | 'VIEWER';

/** Who or what caused a run to exist. */
export type RunCause =
  /** A program with a token. */
  | 'API'
  /** A backfill. */
  | 'BACKFILL'
  /** An event that its trigger listens to. */
  | 'EVENT'
  /** A person. */
  | 'MANUAL'
  /** A block of another run. */
  | 'PARENT'
  /** A retry of a whole run. */
  | 'RETRY'
  /** A tick of its trigger. */
  | 'SCHEDULE'
  /** A call of its trigger's address. */
  | 'WEBHOOK';

/** Which events; everything given must hold. */
export type RunEventFilter = {
  /** The block; events that are about no block are left out. */
  readonly blockUuid?: StringFilter | null | undefined;
  /** What it is about: one of these. */
  readonly kind?: ReadonlyArray<RunEventKind> | null | undefined;
  /** The run. */
  readonly pipelineRunId?: IdFilter | null | undefined;
  /** The pipeline. */
  readonly pipelineUuid?: StringFilter | null | undefined;
};

/** What an event of a run is about. More may be added. */
export type RunEventKind =
  /** Somebody could not be told. */
  | 'ALERT_FAILED'
  /** Somebody was told. */
  | 'ALERT_SENT'
  /** What it waits for changed. */
  | 'BLOCKER_CHANGED'
  /** A failed attempt will be retried by itself. */
  | 'BLOCK_RETRY_SCHEDULED'
  /** A block run moved to another status. */
  | 'BLOCK_STATUS_CHANGED'
  /** The worker that ran a block disappeared. */
  | 'BLOCK_WORKER_LOST'
  /** A callback raised an error. */
  | 'CALLBACK_FAILED'
  /** Somebody asked to cancel it. */
  | 'CANCEL_REQUESTED'
  /** The run was made. */
  | 'RUN_CREATED'
  /** The run was deleted. */
  | 'RUN_DELETED'
  /** Somebody retried the run in place, or in a new run. */
  | 'RUN_RETRIED'
  /** The run moved to another status. */
  | 'RUN_STATUS_CHANGED'
  /** It took longer than its SLA. */
  | 'SLA_MISSED'
  /** It ran longer than its timeout. */
  | 'TIMED_OUT'
  /** A retry changed its variables. */
  | 'VARIABLES_CHANGED';

/** Why a run or block run stands where it stands. */
export type StatusReasonCode =
  /** Its backfill was cancelled. */
  | 'BACKFILL_CANCELLED'
  /** Of a block run: its code raised an error. */
  | 'BLOCK_ERROR'
  /** Of a run: one of its blocks failed. */
  | 'BLOCK_FAILED'
  /** Somebody cancelled it; `actor` says who. */
  | 'CANCELLED_BY_USER'
  /** A condition raised an error. */
  | 'CONDITION_ERROR'
  /** A condition was false. */
  | 'CONDITION_FALSE'
  /** Its pipeline had errors when it was to start. */
  | 'DEFINITION_INVALID'
  /** There was no room to store an output. */
  | 'DISK_FULL'
  /** Something else; the message says what. */
  | 'OTHER'
  /** An output was larger than what may be stored. */
  | 'OUTPUT_TOO_LARGE'
  /** The block's process was killed because memory ran out. */
  | 'OUT_OF_MEMORY'
  /** A newer run of its trigger took its place. */
  | 'OVERLAP_CANCELLED'
  /** The run that started it ended. */
  | 'PARENT_CANCELLED'
  /** The process that ran the block ended without an answer. */
  | 'PROCESS_DIED'
  /** Of a block run: its run ended before it did. */
  | 'RUN_ENDED'
  /** The server was shut down; it will run again. */
  | 'SHUTDOWN'
  /** A limit on running pipeline runs was reached, and the pipeline says to skip then. */
  | 'SKIPPED_LIMIT'
  /** An earlier run of its trigger was still going. */
  | 'SKIPPED_OVERLAP'
  /** Everything went well. */
  | 'SUCCEEDED'
  /** A test of the block failed; its output is kept. */
  | 'TESTS_FAILED'
  /** It ran longer than its timeout. */
  | 'TIMED_OUT'
  /** Its trigger was deleted before it started. */
  | 'TRIGGER_DELETED'
  /** A block that it needs failed. */
  | 'UPSTREAM_FAILED'
  /** The worker that ran it disappeared, more often than is forgiven. */
  | 'WORKER_LOST';

/** Comparisons of a text; all that are given must hold. */
export type StringFilter = {
  /** Has this anywhere in it, in upper or lower case. */
  readonly contains?: string | null | undefined;
  /** Exactly this. */
  readonly eq?: string | null | undefined;
  /** One of these; an empty list matches nothing. */
  readonly in?: ReadonlyArray<string> | null | undefined;
  /** None of these. */
  readonly notIn?: ReadonlyArray<string> | null | undefined;
  /** Begins with this, in upper or lower case. */
  readonly startsWith?: string | null | undefined;
};

/** Which pipeline to run, and how. */
export type TriggerPipelineRunInput = {
  /** The logical date; now unless given. */
  readonly executionDate?: string | null | undefined;
  /** 1–128 characters, unique per pipeline, kept at least 24 h: the same input gives the same run again, another gives ConflictError. */
  readonly idempotencyKey?: string | null | undefined;
  /** The pipeline: its folder's name in the project. */
  readonly pipelineUuid: string;
  /** Runs under this trigger's settings and variables, whatever its status; changes nothing about it. Overlap and limits apply. */
  readonly triggerId?: string | null | undefined;
  /** Go before the pipeline's and the trigger's own. At most 64 KB. */
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
};

export type RetryPipelineRunsMutationVariables = Exact<{
  input: RetryPipelineRunsInput;
}>;


export type RetryPipelineRunsMutation = { readonly retryPipelineRuns: { readonly error:
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
     | null, readonly results: ReadonlyArray<{ readonly pipelineRunId: string, readonly pipelineRun: { readonly id: string, readonly status: PipelineRunStatus, readonly attempt: number } | null, readonly error:
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
       | null }> } };

export type CancelPipelineRunsMutationVariables = Exact<{
  input: CancelPipelineRunsInput;
}>;


export type CancelPipelineRunsMutation = { readonly cancelPipelineRuns: { readonly error:
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
      | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
     | null, readonly results: ReadonlyArray<{ readonly pipelineRunId: string, readonly pipelineRun: { readonly id: string, readonly status: PipelineRunStatus, readonly attempt: number } | null, readonly error:
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
        | { readonly code: ErrorCode, readonly message: string }
       | null }> } };

export type BatchSummaryFragment = { readonly error:
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
   | null, readonly results: ReadonlyArray<{ readonly pipelineRunId: string, readonly pipelineRun: { readonly id: string, readonly status: PipelineRunStatus, readonly attempt: number } | null, readonly error:
      | { readonly code: ErrorCode, readonly message: string }
      | { readonly code: ErrorCode, readonly message: string }
      | { readonly code: ErrorCode, readonly message: string }
      | { readonly code: ErrorCode, readonly message: string }
      | { readonly code: ErrorCode, readonly message: string }
      | { readonly code: ErrorCode, readonly message: string }
     | null }> };

export type PipelineRunsQueryVariables = Exact<{
  filter?: PipelineRunFilter | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type PipelineRunsQuery = { readonly pipelineRuns: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly pipelineUuid: string, readonly status: PipelineRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly cause: RunCause, readonly createdBy: string | null, readonly triggerName: string | null, readonly executionDate: string, readonly createdAt: string, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null, readonly error: { readonly blockUuid: string | null, readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null, readonly blockRunCounts: { readonly total: number, readonly initial: number, readonly queued: number, readonly running: number, readonly completed: number, readonly failed: number, readonly cancelled: number, readonly upstreamFailed: number, readonly conditionFailed: number } }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type PipelineRunQueryVariables = Exact<{
  id: string;
}>;


export type PipelineRunQuery = { readonly eventCursor: string, readonly pipelineRun: { readonly id: string, readonly pipelineUuid: string, readonly status: PipelineRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly cause: RunCause, readonly createdBy: string | null, readonly triggerName: string | null, readonly executionDate: string, readonly createdAt: string, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly blockRuns: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly blockUuid: string, readonly name: string, readonly status: BlockRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string } | null, readonly error: { readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null }> }, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null, readonly error: { readonly blockUuid: string | null, readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null, readonly blockRunCounts: { readonly total: number, readonly initial: number, readonly queued: number, readonly running: number, readonly completed: number, readonly failed: number, readonly cancelled: number, readonly upstreamFailed: number, readonly conditionFailed: number } } | null };

export type RunSummaryFragment = { readonly id: string, readonly pipelineUuid: string, readonly status: PipelineRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly cause: RunCause, readonly createdBy: string | null, readonly triggerName: string | null, readonly executionDate: string, readonly createdAt: string, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null, readonly error: { readonly blockUuid: string | null, readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null, readonly blockRunCounts: { readonly total: number, readonly initial: number, readonly queued: number, readonly running: number, readonly completed: number, readonly failed: number, readonly cancelled: number, readonly upstreamFailed: number, readonly conditionFailed: number } };

export type BlockRunSummaryFragment = { readonly id: string, readonly blockUuid: string, readonly name: string, readonly status: BlockRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string } | null, readonly error: { readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null };

export type ServerStatusQueryVariables = Exact<{ [key: string]: never; }>;


export type ServerStatusQuery = { readonly viewer: { readonly name: string, readonly role: Role }, readonly server: { readonly version: string, readonly startedAt: string, readonly database: DatabaseKind, readonly projectName: string, readonly schedulerAlive: boolean, readonly queuedBlockRuns: number, readonly workers: ReadonlyArray<{ readonly id: string, readonly host: string, readonly slots: number, readonly busy: number }>, readonly problems: ReadonlyArray<{ readonly severity: ProblemSeverity, readonly file: string, readonly line: number | null, readonly message: string }> } };

export type TriggerPipelineRunMutationVariables = Exact<{
  input: TriggerPipelineRunInput;
}>;


export type TriggerPipelineRunMutation = { readonly triggerPipelineRun:
    | { readonly __typename: 'ConflictError', readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly __typename: 'ForbiddenError', readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly __typename: 'NotFoundError', readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null }
    | { readonly __typename: 'PipelineInvalidError', readonly code: ErrorCode, readonly message: string, readonly path: ReadonlyArray<string> | null, readonly problems: ReadonlyArray<{ readonly severity: ProblemSeverity, readonly file: string, readonly line: number | null, readonly message: string }> }
    | { readonly __typename: 'TriggerPipelineRunSuccess', readonly wasReplayed: boolean, readonly pipelineRun: { readonly id: string, readonly pipelineUuid: string, readonly status: PipelineRunStatus, readonly isTerminal: boolean, readonly attempt: number, readonly cause: RunCause, readonly createdBy: string | null, readonly triggerName: string | null, readonly executionDate: string, readonly createdAt: string, readonly startedAt: string | null, readonly completedAt: string | null, readonly durationMs: number | null, readonly statusReason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null, readonly error: { readonly blockUuid: string | null, readonly type: string | null, readonly message: string, readonly stackTrace: string | null } | null, readonly blockRunCounts: { readonly total: number, readonly initial: number, readonly queued: number, readonly running: number, readonly completed: number, readonly failed: number, readonly cancelled: number, readonly upstreamFailed: number, readonly conditionFailed: number } } }
   };

export type WatchRunEventsSubscriptionVariables = Exact<{
  filter?: RunEventFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type WatchRunEventsSubscription = { readonly runEvents:
    | { readonly __typename: 'CursorExpired', readonly resumesAt: string }
    | { readonly __typename: 'Lagged', readonly cursor: string }
    | { readonly __typename: 'RunEvent', readonly cursor: string, readonly seq: number, readonly at: string, readonly kind: RunEventKind, readonly pipelineRunId: string, readonly runAttempt: number, readonly blockRunId: string | null, readonly blockUuid: string | null, readonly attempt: number | null, readonly blockStatus: BlockRunStatus | null, readonly runStatus: PipelineRunStatus | null, readonly reason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null }
    | { readonly __typename: 'Subscribed', readonly cursor: string }
   };

export type WatchBlockRunsSubscriptionVariables = Exact<{
  filter?: BlockRunStatusChangeFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type WatchBlockRunsSubscription = { readonly blockRunStatusChanged:
    | { readonly __typename: 'BlockRunStatusChanged', readonly cursor: string, readonly seq: number, readonly at: string, readonly from: BlockRunStatus | null, readonly to: BlockRunStatus, readonly attempt: number, readonly runAttempt: number, readonly blockRunId: string, readonly blockUuid: string, readonly reason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null }
    | { readonly __typename: 'CursorExpired', readonly resumesAt: string }
    | { readonly __typename: 'Lagged', readonly cursor: string }
    | { readonly __typename: 'Subscribed', readonly cursor: string }
   };

export type WatchPipelineRunsSubscriptionVariables = Exact<{
  filter?: PipelineRunStatusChangeFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type WatchPipelineRunsSubscription = { readonly pipelineRunStatusChanged:
    | { readonly __typename: 'CursorExpired', readonly resumesAt: string }
    | { readonly __typename: 'Lagged', readonly cursor: string }
    | { readonly __typename: 'PipelineRunStatusChanged', readonly cursor: string, readonly seq: number, readonly at: string, readonly from: PipelineRunStatus | null, readonly to: PipelineRunStatus, readonly runAttempt: number, readonly pipelineRunId: string, readonly pipelineUuid: string, readonly reason: { readonly code: StatusReasonCode, readonly message: string, readonly actor: string | null } | null }
    | { readonly __typename: 'Subscribed', readonly cursor: string }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const BatchSummaryFragmentDoc = new TypedDocumentString(`
    fragment BatchSummary on PipelineRunBatchPayload {
  error {
    code
    message
    path
  }
  results {
    pipelineRunId
    pipelineRun {
      id
      status
      attempt
    }
    error {
      code
      message
    }
  }
}
    `, {"fragmentName":"BatchSummary"}) as unknown as TypedDocumentString<BatchSummaryFragment, unknown>;
export const RunSummaryFragmentDoc = new TypedDocumentString(`
    fragment RunSummary on PipelineRun {
  id
  pipelineUuid
  status
  isTerminal
  attempt
  cause
  createdBy
  triggerName
  executionDate
  createdAt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
    actor
  }
  error {
    blockUuid
    type
    message
    stackTrace
  }
  blockRunCounts {
    total
    initial
    queued
    running
    completed
    failed
    cancelled
    upstreamFailed
    conditionFailed
  }
}
    `, {"fragmentName":"RunSummary"}) as unknown as TypedDocumentString<RunSummaryFragment, unknown>;
export const BlockRunSummaryFragmentDoc = new TypedDocumentString(`
    fragment BlockRunSummary on BlockRun {
  id
  blockUuid
  name
  status
  isTerminal
  attempt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
  }
  error {
    type
    message
    stackTrace
  }
}
    `, {"fragmentName":"BlockRunSummary"}) as unknown as TypedDocumentString<BlockRunSummaryFragment, unknown>;
export const RetryPipelineRunsDocument = new TypedDocumentString(`
    mutation RetryPipelineRuns($input: RetryPipelineRunsInput!) {
  retryPipelineRuns(input: $input) {
    ...BatchSummary
  }
}
    fragment BatchSummary on PipelineRunBatchPayload {
  error {
    code
    message
    path
  }
  results {
    pipelineRunId
    pipelineRun {
      id
      status
      attempt
    }
    error {
      code
      message
    }
  }
}`) as unknown as TypedDocumentString<RetryPipelineRunsMutation, RetryPipelineRunsMutationVariables>;
export const CancelPipelineRunsDocument = new TypedDocumentString(`
    mutation CancelPipelineRuns($input: CancelPipelineRunsInput!) {
  cancelPipelineRuns(input: $input) {
    ...BatchSummary
  }
}
    fragment BatchSummary on PipelineRunBatchPayload {
  error {
    code
    message
    path
  }
  results {
    pipelineRunId
    pipelineRun {
      id
      status
      attempt
    }
    error {
      code
      message
    }
  }
}`) as unknown as TypedDocumentString<CancelPipelineRunsMutation, CancelPipelineRunsMutationVariables>;
export const PipelineRunsDocument = new TypedDocumentString(`
    query PipelineRuns($filter: PipelineRunFilter, $first: Int, $after: String) {
  pipelineRuns(filter: $filter, first: $first, after: $after) {
    nodes {
      ...RunSummary
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    fragment RunSummary on PipelineRun {
  id
  pipelineUuid
  status
  isTerminal
  attempt
  cause
  createdBy
  triggerName
  executionDate
  createdAt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
    actor
  }
  error {
    blockUuid
    type
    message
    stackTrace
  }
  blockRunCounts {
    total
    initial
    queued
    running
    completed
    failed
    cancelled
    upstreamFailed
    conditionFailed
  }
}`) as unknown as TypedDocumentString<PipelineRunsQuery, PipelineRunsQueryVariables>;
export const PipelineRunDocument = new TypedDocumentString(`
    query PipelineRun($id: ID!) {
  eventCursor
  pipelineRun(id: $id) {
    ...RunSummary
    blockRuns {
      nodes {
        ...BlockRunSummary
      }
    }
  }
}
    fragment RunSummary on PipelineRun {
  id
  pipelineUuid
  status
  isTerminal
  attempt
  cause
  createdBy
  triggerName
  executionDate
  createdAt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
    actor
  }
  error {
    blockUuid
    type
    message
    stackTrace
  }
  blockRunCounts {
    total
    initial
    queued
    running
    completed
    failed
    cancelled
    upstreamFailed
    conditionFailed
  }
}
fragment BlockRunSummary on BlockRun {
  id
  blockUuid
  name
  status
  isTerminal
  attempt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
  }
  error {
    type
    message
    stackTrace
  }
}`) as unknown as TypedDocumentString<PipelineRunQuery, PipelineRunQueryVariables>;
export const ServerStatusDocument = new TypedDocumentString(`
    query ServerStatus {
  viewer {
    name
    role
  }
  server {
    version
    startedAt
    database
    projectName
    schedulerAlive
    queuedBlockRuns
    workers {
      id
      host
      slots
      busy
    }
    problems {
      severity
      file
      line
      message
    }
  }
}
    `) as unknown as TypedDocumentString<ServerStatusQuery, ServerStatusQueryVariables>;
export const TriggerPipelineRunDocument = new TypedDocumentString(`
    mutation TriggerPipelineRun($input: TriggerPipelineRunInput!) {
  triggerPipelineRun(input: $input) {
    __typename
    ... on TriggerPipelineRunSuccess {
      wasReplayed
      pipelineRun {
        ...RunSummary
      }
    }
    ... on UserError {
      code
      message
      path
    }
    ... on PipelineInvalidError {
      problems {
        severity
        file
        line
        message
      }
    }
  }
}
    fragment RunSummary on PipelineRun {
  id
  pipelineUuid
  status
  isTerminal
  attempt
  cause
  createdBy
  triggerName
  executionDate
  createdAt
  startedAt
  completedAt
  durationMs
  statusReason {
    code
    message
    actor
  }
  error {
    blockUuid
    type
    message
    stackTrace
  }
  blockRunCounts {
    total
    initial
    queued
    running
    completed
    failed
    cancelled
    upstreamFailed
    conditionFailed
  }
}`) as unknown as TypedDocumentString<TriggerPipelineRunMutation, TriggerPipelineRunMutationVariables>;
export const WatchRunEventsDocument = new TypedDocumentString(`
    subscription WatchRunEvents($filter: RunEventFilter, $after: String) {
  runEvents(filter: $filter, after: $after) {
    __typename
    ... on Subscribed {
      cursor
    }
    ... on RunEvent {
      cursor
      seq
      at
      kind
      pipelineRunId
      runAttempt
      blockRunId
      blockUuid
      attempt
      blockStatus
      runStatus
      reason {
        code
        message
        actor
      }
    }
    ... on Lagged {
      cursor
    }
    ... on CursorExpired {
      resumesAt
    }
  }
}
    `) as unknown as TypedDocumentString<WatchRunEventsSubscription, WatchRunEventsSubscriptionVariables>;
export const WatchBlockRunsDocument = new TypedDocumentString(`
    subscription WatchBlockRuns($filter: BlockRunStatusChangeFilter, $after: String) {
  blockRunStatusChanged(filter: $filter, after: $after) {
    __typename
    ... on Subscribed {
      cursor
    }
    ... on BlockRunStatusChanged {
      cursor
      seq
      at
      from
      to
      attempt
      runAttempt
      blockRunId
      blockUuid
      reason {
        code
        message
        actor
      }
    }
    ... on Lagged {
      cursor
    }
    ... on CursorExpired {
      resumesAt
    }
  }
}
    `) as unknown as TypedDocumentString<WatchBlockRunsSubscription, WatchBlockRunsSubscriptionVariables>;
export const WatchPipelineRunsDocument = new TypedDocumentString(`
    subscription WatchPipelineRuns($filter: PipelineRunStatusChangeFilter, $after: String) {
  pipelineRunStatusChanged(filter: $filter, after: $after) {
    __typename
    ... on Subscribed {
      cursor
    }
    ... on PipelineRunStatusChanged {
      cursor
      seq
      at
      from
      to
      runAttempt
      pipelineRunId
      pipelineUuid
      reason {
        code
        message
        actor
      }
    }
    ... on Lagged {
      cursor
    }
    ... on CursorExpired {
      resumesAt
    }
  }
}
    `) as unknown as TypedDocumentString<WatchPipelineRunsSubscription, WatchPipelineRunsSubscriptionVariables>;