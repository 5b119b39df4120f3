import type pg from 'pg';
import type { BlockRunStatus, RunError, StatusReasonCode } from '../domain/lifecycle.ts';
import type { BlockTestResult, OutputManifest } from '../domain/outputs.ts';
import { type RawRow, runHotStatement } from './hot-statement.ts';

/** How an attempt ended, as a worker reports it. */
export type Finish = {
  readonly blockRunId: number;
  readonly pipelineRunId: number;
  readonly attempt: number;
  readonly fence: number;
  /**
   * completed and failed are ends. retry: failed, to be tried again at `retryAt`. requeue: given back unharmed (the server
   * shuts down). wait: a sensor said no and is asked again at `retryAt`. stopped: it was told to stop and did. condition_failed: its condition kept it from running.
   */
  readonly outcome: 'completed' | 'failed' | 'retry' | 'requeue' | 'wait' | 'stopped' | 'condition_failed';
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
  /** Of a sensor: how often it was asked in this attempt. */
  readonly calls?: number;
  /** Of a block with a lone follower: what was claimed, so that store/complete-and-follow.ts can be tried first. */
  readonly leading?: Claim;
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
  /** What is left of its block's timeout. */
  readonly timeoutSeconds: number | null;
  /** Of a sensor that was asked before in this attempt: how often. */
  readonly calls?: number;
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
  /** The queue was looked into and may hold more than fitted. */
  readonly more: boolean;
  /** Callback runs were made. */
  readonly callbacks: boolean;
  /** A run is over: somebody may be waiting for just that. */
  readonly ended: boolean;
};

const statement = {
  name: 'step',
  text: 'select step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
} as const;

/**
 * Reports what finished and claims up to `want` block runs, in one round trip and one commit (the SQL function `step`).
 * Without `look` it claims only what becomes ready by these finishes, and leaves the queue alone. `early` gets claims before they
 * are committed, to make them ready; they must not run before the promise settles.
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
  early?: (claims: readonly Claim[]) => void,
): Promise<StepResult> {
  const inOrder =
    finishes.length > 1 ? newestOfEach(finishes).sort((a, b) => a.pipelineRunId - b.pipelineRunId) : finishes;
  const values = [
    String(workerId),
    label,
    String(want),
    String(look),
    now.toISOString(),
    plainArray(inOrder.map((f) => f.blockRunId)),
    plainArray(inOrder.map((f) => f.pipelineRunId)),
    plainArray(inOrder.map((f) => f.fence)),
    plainArray(inOrder.map((f) => f.outcome)),
    plainArray(inOrder.map((f) => f.cpuTimeMs)),
    plainArray(inOrder.map((f) => f.maxRssBytes)),
    plainArray(inOrder.map((f) => f.pid)),
    quotedArray(inOrder.map(detailOf)),
  ];
  const claims: Claim[] = [];
  const unsettled: bigint[] = [];
  let more = false;
  let ended = false;
  let callbacks = false;
  const take = ([text]: RawRow) => {
    const answer = JSON.parse(text ?? '') as Answer;
    if ('settle' in answer) unsettled.push(BigInt(answer.settle));
    else if ('more' in answer) more = true;
    else if ('ended' in answer) ended = true;
    else if ('callbacks' in answer) callbacks = true;
    else {
      const claimed = 'ids' in answer ? claimsOf(answer) : [answer];
      claims.push(...claimed);
      early?.(claimed);
    }
  };
  if (early) await runHotStatement(client, statement, values, take);
  else for (const row of await runHotStatement(client, statement, values)) take(row);
  return { claims, unsettled, more, ended, callbacks };
}

/** An array of numbers or plain words, as Postgres reads it. */
function plainArray(values: readonly (number | string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`;
}

/** An array of any texts, as Postgres reads it. */
function quotedArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${value.replace(/["\\]/g, '\\$&')}"`)).join()}}`;
}

/**
 * One per block run, that with the highest fence: a worker that was taken for lost and got the block run again may report both of
 * its attempts at once. The older could change nothing, and the function finds each by the place of its block run.
 */
function newestOfEach(finishes: readonly Finish[]): Finish[] {
  const newest = new Map<number, Finish>();
  for (const finish of finishes) {
    const known = newest.get(finish.blockRunId);
    if (!known || known.fence < finish.fence) newest.set(finish.blockRunId, finish);
  }
  return [...newest.values()];
}

/** What `step` answers with, one at a time. */
type Answer =
  | Claim
  | ClaimsOfRun
  | { readonly settle: number }
  | { readonly ended: number }
  | { readonly callbacks: true }
  | { readonly more: true };

/** Several claims of one run, field by field. */
type ClaimsOfRun = Pick<Claim, 'run' | 'runAttempt' | 'pipeline' | 'version'> & {
  readonly ids: readonly Claim['id'][];
  readonly uuids: readonly Claim['uuid'][];
  readonly fences: readonly Claim['fence'][];
  readonly attempts: readonly Claim['attempt'][];
  readonly retries: readonly Claim['retries'][];
  readonly timeouts: readonly Claim['timeoutSeconds'][];
  readonly calls: readonly number[];
  readonly inputs: readonly Claim['inputs'][];
};

function claimsOf({ run, runAttempt, pipeline, version, ...fields }: ClaimsOfRun): Claim[] {
  return fields.ids.map((id, place) => ({
    id,
    run,
    uuid: fields.uuids[place]!,
    fence: fields.fences[place]!,
    attempt: fields.attempts[place]!,
    retries: fields.retries[place]!,
    runAttempt,
    pipeline,
    version,
    timeoutSeconds: fields.timeouts[place] ?? null,
    calls: fields.calls[place]!,
    inputs: fields.inputs[place] ?? null,
  }));
}

/** What goes beyond a plain completion, as JSON; null for one. */
function detailOf(finish: Finish): string | null {
  const { outcome, outputs, tests, droppedLines, calls } = finish;
  const isPlain = outputs.length === 0 && tests.length === 0 && droppedLines === 0 && calls === undefined;
  if (outcome === 'completed' && isPlain) return null;
  return JSON.stringify({
    code: finish.code,
    message: finish.message,
    error: finish.error ?? undefined,
    outputs: outputs.length > 0 ? outputs : undefined,
    tests: tests.length > 0 ? tests : undefined,
    dropped: droppedLines,
    retryAt: finish.retryAt ?? undefined,
    calls,
  });
}
