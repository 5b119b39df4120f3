import type pg from 'pg';
import type { StatusReason } from '../domain/lifecycle.ts';
import type { DefinitionProblem, JsonObject } from '../domain/pipeline.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import {
  chooseBlocksToRetry,
  type InPlaceRetry,
  planRetry,
  reusedUpstreams,
  withLostUpstreams,
} from '../domain/retry.ts';
import { planAnew, planInPlace, planRefused, type RetryPlan } from '../domain/retry-plan.ts';
import { type Announcement, nothing, type RunSnapshot } from '../domain/run.ts';
import { describeVariables, maxVariableBytes, overlaid, withoutMasks } from '../domain/variables.ts';
import { type CurrentPipeline, currentPipeline } from '../store/catalog.ts';
import { createRun } from '../store/pipeline-runs.ts';
import { hasOpenRetry, markRetried, type RunOrigin, runOrigins } from '../store/run-origin.ts';
import { applyRunPlans, type PlannedRun } from '../store/run-plans.ts';
import { lockRun, readRuns } from '../store/run-snapshots.ts';
import { storedOutputs } from '../store/stored-outputs.ts';
import { lockRunOutlines, retryWholeRuns } from '../store/whole-runs.ts';
import type { EngineContext } from './context.ts';
import { type DecidedRun, noRun, noSuchRun } from './decided-run.ts';
import { retriedAsWholes } from './retry-whole-runs.ts';

/** How runs are retried. */
export type RetryWay = {
  /** incomplete and from_block repeat in the same run; all makes a new run. */
  readonly mode: 'incomplete' | 'from_block' | 'all';
  /** With mode from_block: a block uuid of the run. */
  readonly fromBlock: string | null;
  /** Override the run's variables from now on. A value equal to its mask means unchanged. */
  readonly variables: JsonObject;
  readonly reason: string | null;
  readonly actor: string;
};

/** A run that is to be retried. */
export type RunToRetry = {
  readonly runId: bigint;
  /** Refuses a run whose attempt is another, and with mode all one that has been retried so: one effect for many callers. */
  readonly expectedAttempt: number | null;
  /** Of a plan that is carried out: the attempt that it was made for. */
  readonly plannedAttempt?: number | null;
};

export type RetryPipelineRunInput = RetryWay & RunToRetry;

/** Retries a run that has ended. Answers with the same run for incomplete and from_block, with the new one for all. */
export async function retryPipelineRun(
  context: EngineContext,
  input: RetryPipelineRunInput,
): Promise<Answer<{ readonly runId: bigint }>> {
  const [answer = noSuchRun(input.runId)] = await context.database.transaction((client) =>
    retryRuns(context, client, [input], input),
  );
  if (answer.ok) context.wake('admission', 'events');
  return answer;
}

/** As `retryPipelineRun`, of many different runs within the caller's transaction; one answer each, in order. The caller wakes. */
export async function retryRuns(
  context: EngineContext,
  client: pg.ClientBase,
  inputs: readonly RunToRetry[],
  way: RetryWay,
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const pipelineOf = pipelinesOnce(context, client);
  const outlines = await lockRunOutlines(
    client,
    inputs.map((input) => input.runId),
  );
  const whole = await retriedAsWholes(context, client, inputs, outlines, way, pipelineOf);
  await retryWholeRuns(client, whole, why(way), way.reason, context.now());

  const isDone = new Set(whole.map((run) => run.id));
  const rest = [...outlines.keys()].filter((id) => !isDone.has(id));
  const runs = await readRuns(client, rest);
  const origins = await runOrigins(client, rest);
  const plans: PlannedRun[] = [];
  const answers: Answer<{ readonly runId: bigint }>[] = [];
  for (const input of inputs) {
    const { runId } = input;
    const run = runs.get(runId);
    const origin = origins.get(runId);
    const decided = isDone.has(runId)
      ? done({ runId, planned: null })
      : run && origin
        ? await retryRun(context, client, run, origin, { ...way, ...input }, pipelineOf)
        : noSuchRun(runId);
    if (decided.ok && decided.value.planned) plans.push(decided.value.planned);
    answers.push(decided.ok ? done({ runId: decided.value.runId }) : decided);
  }
  await applyRunPlans(client, plans, context.now());
  return answers;
}

/** The pipeline as it stands now. */
export type PipelineOf = (uuid: string) => Promise<CurrentPipeline | null>;

/** Many runs are of few pipelines: each is looked up once. */
function pipelinesOnce(context: EngineContext, client: pg.ClientBase | pg.Pool): PipelineOf {
  const known = new Map<string, CurrentPipeline | null>();
  return async (uuid) => {
    const found = known.get(uuid) ?? (await currentPipeline(context.database, uuid, client));
    known.set(uuid, found);
    return found;
  };
}

export type PlanOfRetryInput = Pick<RetryPipelineRunInput, 'runId' | 'mode' | 'fromBlock'>;

/** What a retry of the run would do, without doing it. */
export async function planOfRetry(context: EngineContext, input: PlanOfRetryInput): Promise<RetryPlan> {
  const { pool } = context.database;
  const asked = { ...input, variables: {}, reason: null, expectedAttempt: null, actor: '' };
  const [plan] = await previewRetries(context, pool, [asked]);
  return plan ?? planRefused(noRun(input.runId), input.mode === 'all', false);
}

/** What retries of these runs would do, without doing anything; one plan each, in order. */
export async function previewRetries(
  context: EngineContext,
  client: pg.ClientBase | pg.Pool,
  inputs: readonly RetryPipelineRunInput[],
): Promise<readonly RetryPlan[]> {
  const runIds = inputs.map((input) => input.runId);
  const runs = await readRuns(client, runIds);
  const origins = await runOrigins(client, runIds);
  const pipelineOf = pipelinesOnce(context, client);
  const plans: RetryPlan[] = [];
  for (const input of inputs) {
    const run = runs.get(input.runId);
    const origin = origins.get(input.runId);
    plans.push(
      run && origin
        ? await previewRetry(context, client, run, origin, input, await pipelineOf(origin.pipelineUuid))
        : planRefused(noRun(input.runId), input.mode === 'all', false),
    );
  }
  return plans;
}

async function previewRetry(
  context: EngineContext,
  client: pg.ClientBase | pg.Pool,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  pipeline: CurrentPipeline | null,
): Promise<RetryPlan> {
  const isNew = input.mode === 'all';
  const hasChanged = pipeline !== null && pipeline.version !== origin.codeVersion;
  const variables = variablesOf(run, origin, input);
  if (!variables.ok) return planRefused(variables.refusal, isNew, hasChanged);
  if (input.mode === 'all') {
    const allowed = await mayRetryAll(client, run, origin, pipeline);
    return allowed.ok
      ? planAnew(run, allowed.value.definition, hasChanged)
      : planRefused(allowed.refusal, isNew, hasChanged);
  }
  const chosen = await chooseInPlace(context, client, run, input.mode, input.fromBlock, pipeline);
  return chosen.ok ? planInPlace(run, chosen.value, hasChanged) : planRefused(chosen.refusal, isNew, hasChanged);
}

/** A retry in place is decided, for the caller to carry out; one of the whole is made at once: a new run. */
async function retryRun(
  context: EngineContext,
  client: pg.ClientBase,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  pipelineOf: PipelineOf,
): Promise<Answer<DecidedRun>> {
  const variables = variablesOf(run, origin, input);
  if (!variables.ok) return variables;
  return input.mode === 'all'
    ? retryAll(context, client, run, origin, input, variables.value, pipelineOf)
    : retryInPlace(
        context,
        client,
        run,
        origin,
        input,
        input.mode,
        variables.value,
        await pipelineOf(origin.pipelineUuid),
      );
}

/** The run's variables from now on; refused when they are too large, or the run is not at the attempt that was meant. */
function variablesOf(run: RunSnapshot, origin: RunOrigin, input: RetryPipelineRunInput): Answer<JsonObject> {
  const expected = input.expectedAttempt ?? input.plannedAttempt ?? run.attempt;
  if (expected !== run.attempt) {
    return refused({
      code: 'CONFLICT',
      path: ['input', 'expectedAttempt'],
      message: `The run is at attempt ${run.attempt}, not ${expected}: somebody else retried it.`,
      existingRunId: run.id,
    });
  }
  if (input.mode === 'all' && input.expectedAttempt !== null && origin.newestRetryId !== null) {
    return refused({
      code: 'CONFLICT',
      path: ['input', 'expectedAttempt'],
      message: `Somebody else retried the run already: as run_${origin.newestRetryId}.`,
      existingRunId: origin.newestRetryId,
    });
  }
  const variables = overlaid(origin.variables, input.variables);
  if (Buffer.byteLength(JSON.stringify(variables)) <= maxVariableBytes) return done(variables);
  return refused({
    code: 'INVALID_INPUT',
    path: ['input', 'variables'],
    message: 'The variables are larger than 64 KB.',
  });
}

/** Which block runs a retry in place resets, each with why; or why it can't be. */
async function chooseInPlace(
  context: EngineContext,
  client: pg.ClientBase | pg.Pool,
  run: RunSnapshot,
  mode: 'incomplete' | 'from_block',
  fromBlock: string | null,
  pipeline: CurrentPipeline | null,
): Promise<Answer<InPlaceRetry>> {
  const asked = chooseBlocksToRetry(run, mode, fromBlock);
  if (!asked.ok) return asked;
  if (pipeline && !pipeline.isRunnable) return refused(brokenNow(pipeline));
  const gone = await goneOutputs(context, client, reusedUpstreams(run, asked.value));
  const chosen = gone.size === 0 ? asked.value : withLostUpstreams(run, asked.value, gone);
  const present = new Set(
    pipeline?.definition.blocks.filter((block) => block.code !== null).map((block) => block.uuid),
  );
  const removed = pipeline && run.blocks.find((block) => chosen.has(block.id) && !present.has(block.uuid));
  if (!removed) return done(chosen);
  return refused({
    code: 'PIPELINE_INVALID',
    message: `The block ${removed.uuid} is not in the pipeline any more. Put its file back, or retry the whole run with mode ALL.`,
    problems: [],
  });
}

/** Of completed block runs, those whose outputs were removed from the output store. */
async function goneOutputs(
  context: EngineContext,
  client: pg.ClientBase | pg.Pool,
  blockRunIds: readonly bigint[],
): Promise<ReadonlySet<bigint>> {
  const gone = new Set<bigint>();
  if (blockRunIds.length === 0) return gone;
  for (const { id, outputs } of await storedOutputs(client, blockRunIds)) {
    // What came inline needs no file.
    const files = outputs.filter((output) => output.inline === undefined);
    const areThere = await Promise.all(files.map((output) => context.isOutputStored(output.path)));
    if (areThere.includes(false)) gone.add(id);
  }
  return gone;
}

async function retryInPlace(
  context: EngineContext,
  client: pg.ClientBase,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  mode: 'incomplete' | 'from_block',
  variables: JsonObject,
  pipeline: CurrentPipeline | null,
): Promise<Answer<DecidedRun>> {
  const chosen = await chooseInPlace(context, client, run, mode, input.fromBlock, pipeline);
  if (!chosen.ok) return chosen;
  const plan = planRetry(run, chosen.value, why(input));
  const announcements = [...plan.announcements, ...variablesChanged(input)];
  const retry = {
    attempt: run.attempt + 1,
    mode,
    fromBlock: mode === 'from_block' ? input.fromBlock : null,
    actor: input.actor,
    why: input.reason,
    codeVersion: pipeline?.version ?? origin.codeVersion,
    variables,
  };
  return done({ runId: run.id, planned: { run, plan: { ...plan, announcements }, options: { retry } } });
}

/** The pipeline that a new run would be made from, or why there can be none. */
async function mayRetryAll(
  client: pg.ClientBase | pg.Pool,
  run: RunSnapshot,
  origin: RunOrigin,
  pipeline: CurrentPipeline | null,
): Promise<Answer<CurrentPipeline>> {
  if (run.status === 'initial' || run.status === 'running') {
    return refused({
      code: 'INVALID_STATE',
      currentStatus: run.status,
      message: `The run is ${run.status}. Only a run that has ended can be retried; cancel it first, or wait.`,
    });
  }
  const open = await hasOpenRetry(client, run.id);
  if (open !== null) {
    return refused({
      code: 'CONFLICT',
      message: `run_${open} already retries this run and has not ended.`,
      existingRunId: open,
    });
  }
  if (!pipeline)
    return refused({
      code: 'NOT_FOUND',
      message: `The pipeline ${origin.pipelineUuid} is not in the project any more.`,
    });
  return pipeline.isRunnable ? done(pipeline) : refused(brokenNow(pipeline));
}

async function retryAll(
  context: EngineContext,
  client: pg.ClientBase,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  variables: JsonObject,
  pipelineOf: PipelineOf,
): Promise<Answer<DecidedRun>> {
  const allowed = await mayRetryAll(client, run, origin, await pipelineOf(origin.pipelineUuid));
  if (!allowed.ok) return allowed;
  const pipeline = allowed.value;
  const { codeVersion, newestRetryId, ...same } = origin;
  const runId = await createRun(
    client,
    {
      ...same,
      version: pipeline.version,
      tags: pipeline.tags,
      definition: pipeline.definition,
      variables,
      retryOfId: run.id,
      rootRunId: origin.rootRunId ?? run.id,
      cause: 'retry',
      createdBy: input.actor,
      slaDeadline: origin.slaSeconds === null ? null : new Date(context.now().getTime() + origin.slaSeconds * 1000),
      idempotencyKey: null,
      idempotencyHash: null,
    },
    context.now(),
  );
  if (runId === null) throw new Error('a run without an idempotency key was not created');
  const reason = why(input);
  await markRetried(client, run.id, { ...reason, message: `As run_${runId}. ${reason.message}` }, context.now());
  const announcements = variablesChanged(input);
  const made = announcements.length === 0 ? null : await lockRun(client, runId);
  return done({ runId, planned: made && { run: made, plan: { ...nothing, announcements } } });
}

function why(input: Pick<RetryWay, 'reason' | 'actor'>): StatusReason {
  return { code: 'OTHER', message: input.reason ?? `Retried by ${input.actor}.`, actor: input.actor };
}

/** What the history says about variables that were given; nothing when none were. */
function variablesChanged(input: RetryPipelineRunInput): readonly Announcement[] {
  const given = withoutMasks(input.variables);
  if (Object.keys(given).length === 0) return [];
  return [{ kind: 'variables_changed', reason: { ...why(input), message: describeVariables(given) } }];
}

function brokenNow(pipeline: { readonly uuid: string; readonly problems: readonly DefinitionProblem[] }) {
  const problems = pipeline.problems.filter((problem) => problem.severity === 'error');
  return {
    code: 'PIPELINE_INVALID',
    message: `The pipeline "${pipeline.uuid}" can't run now: ${problems[0]?.message ?? 'its definition has errors.'}`,
    problems,
  } as const;
}
