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
 * Without `look` it claims only what becomes ready by these finishes, and leaves the queue alone.
 * Safe to repeat when the answer was lost: a finish that is already recorded changes nothing.
 */
export async function step(
  client: pg.ClientBase,
  workerId: bigint,
  label: string,
  want: number,
  look: boolean,
  finishes: readonly Finish[],
  now: Date,
): Promise<StepResult> {
  const result = await client.query<StepRow>({
    name: 'step',
    text: 'select * from step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)',
    values: [
      workerId,
      label,
      want,
      look,
      now,
      finishes.map((f) => f.blockRunId),
      finishes.map((f) => f.pipelineRunId),
      finishes.map((f) => f.attempt),
      finishes.map((f) => f.fence),
      finishes.map((f) => f.outcome),
      finishes.map((f) => f.cpuTimeMs),
      finishes.map((f) => f.maxRssBytes),
      finishes.map((f) => f.pid),
      finishes.map(detailOf),
    ],
  });
  const claims: Claim[] = [];
  const unsettled: bigint[] = [];
  for (const row of result.rows) {
    if (row.settle) unsettled.push(row.run);
    else claims.push(claimOf(row));
  }
  return { claims, unsettled };
}

type StepRow = {
  id: bigint;
  run: bigint;
  uuid: string;
  fence: number;
  attempt: number;
  retries: number;
  run_attempt: number;
  pipeline: string;
  version: string;
  timeout_seconds: number | null;
  inputs: Claim['inputs'];
  settle: boolean;
};

function claimOf(row: StepRow): Claim {
  return {
    id: Number(row.id),
    run: Number(row.run),
    uuid: row.uuid,
    fence: row.fence,
    attempt: row.attempt,
    retries: row.retries,
    runAttempt: row.run_attempt,
    pipeline: row.pipeline,
    version: row.version,
    timeoutSeconds: row.timeout_seconds,
    inputs: row.inputs,
  };
}

/** What goes beyond a plain completion, as JSON; null for one. */
function detailOf(finish: Finish): string | null {
  const { outcome, outputs, tests, droppedLines } = finish;
  if (outcome === 'completed' && outputs.length === 0 && tests.length === 0 && droppedLines === 0) return null;
  return JSON.stringify({
    code: finish.code,
    message: finish.message,
    error: finish.error ?? undefined,
    outputs: outputs.length > 0 ? outputs : undefined,
    tests: tests.length > 0 ? tests : undefined,
    dropped: droppedLines,
    retryAt: finish.retryAt ?? undefined,
  });
}
