import type pg from 'pg';
import type { BlockRunStatus, RunError, StatusReasonCode } from '../domain/lifecycle.ts';
import type { BlockTestResult, OutputManifest } from '../domain/outputs.ts';

/** How an attempt ended, as a worker reports it. */
export type Finish = {
  readonly blockRunId: number;
  readonly pipelineRunId: number;
  readonly attempt: number;
  readonly fence: number;
  /**
   * completed and failed are ends. retry: failed, to be tried again at `retryAt`. requeue: given back unharmed (the server
   * shuts down). stopped: it was told to stop and did.
   */
  readonly outcome: 'completed' | 'failed' | 'retry' | 'requeue' | 'stopped';
  readonly code: StatusReasonCode;
  readonly message: string;
  readonly error: RunError | null;
  readonly outputs: readonly OutputManifest[];
  readonly tests: readonly BlockTestResult[];
  readonly cpuTimeMs: number | null;
  readonly maxRssBytes: number | null;
  readonly droppedLines: number;
  readonly pid: number | null;
  readonly retryAt: Date | null;
};

/** A block run that this worker holds from now on, with what it needs to start. Ids are numbers: they stay below 2^53. */
export type Claim = {
  readonly id: number;
  readonly run: number;
  readonly uuid: string;
  readonly fence: number;
  readonly attempt: number;
  /** Automatic retries used so far. */
  readonly retries: number;
  readonly runAttempt: number;
  readonly pipeline: string;
  readonly version: string;
  readonly timeoutSeconds: number | null;
  /** One per upstream block, in the order of the arguments; null when there are none. */
  readonly inputs:
    | readonly {
        readonly uuid: string;
        readonly status: BlockRunStatus;
        readonly outputs: readonly OutputManifest[] | null;
      }[]
    | null;
};

export type StepResult = {
  readonly claims: readonly Claim[];
  /** Runs that wait for engine/settle-runs.ts. */
  readonly unsettled: readonly bigint[];
};

/**
 * Reports what finished and claims up to `want` block runs, in one round trip and one commit (the SQL function `step`).
 * Safe to repeat when the answer was lost: a finish that is already recorded changes nothing.
 */
export async function step(
  client: pg.ClientBase,
  workerId: bigint,
  label: string,
  want: number,
  finishes: readonly Finish[],
  now: Date,
): Promise<StepResult> {
  const result = await client.query<{ claims: Claim[] | null; settle: bigint[] | null }>({
    name: 'step',
    text: 'select claims, settle from step($1, $2, $3, $4::jsonb, $5)',
    values: [workerId, label, want, finishes.length > 0 ? JSON.stringify(finishes.map(row)) : null, now],
  });
  const answer = result.rows[0];
  return { claims: answer?.claims ?? [], unsettled: answer?.settle ?? [] };
}

function row(finish: Finish) {
  return {
    id: finish.blockRunId,
    run: finish.pipelineRunId,
    number: finish.attempt,
    fence: finish.fence,
    outcome: finish.outcome,
    code: finish.code,
    message: finish.message,
    error: finish.error ?? undefined,
    outputs: finish.outputs.length > 0 ? finish.outputs : undefined,
    tests: finish.tests.length > 0 ? finish.tests : undefined,
    cpu: finish.cpuTimeMs,
    rss: finish.maxRssBytes,
    dropped: finish.droppedLines,
    pid: finish.pid,
    retryAt: finish.retryAt,
  };
}
