import type pg from 'pg';
import type { StatusReason } from '../domain/lifecycle.ts';
import type { DefinitionProblem, JsonObject } from '../domain/pipeline.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { chooseBlocksToRetry, planRetry } from '../domain/retry.ts';
import type { RunSnapshot } from '../domain/run.ts';
import { maxVariableBytes, withoutMasks } from '../domain/variables.ts';
import { currentPipeline } from '../store/catalog.ts';
import { applyRunPlan, createRun, lockRun } from '../store/pipeline-runs.ts';
import { hasOpenRetry, markRetried, type RunOrigin, runOrigin } from '../store/run-origin.ts';
import type { EngineContext } from './context.ts';

export type RetryPipelineRunInput = {
  readonly runId: bigint;
  /** incomplete and from_block repeat in the same run; all makes a new run. */
  readonly mode: 'incomplete' | 'from_block' | 'all';
  /** With mode from_block: a block uuid of the run. */
  readonly fromBlock: string | null;
  /** Override the run's variables from now on. A value equal to its mask means unchanged. */
  readonly variables: JsonObject;
  readonly reason: string | null;
  /** Refuses a run whose attempt is another: one effect for many callers. */
  readonly expectedAttempt: number | null;
  readonly actor: string;
};

/** Retries a run that has ended. Answers with the same run for incomplete and from_block, with the new one for all. */
export async function retryPipelineRun(
  context: EngineContext,
  input: RetryPipelineRunInput,
): Promise<Answer<{ readonly runId: bigint }>> {
  const answer = await context.database.transaction(async (client) => {
    const run = await lockRun(client, input.runId);
    const origin = run && (await runOrigin(client, run.id));
    if (!run || !origin) return refused({ code: 'NOT_FOUND', message: `There is no run run_${input.runId}.` });
    if (input.expectedAttempt !== null && input.expectedAttempt !== run.attempt) {
      return refused({
        code: 'CONFLICT',
        path: ['input', 'expectedAttempt'],
        message: `The run is at attempt ${run.attempt}, not ${input.expectedAttempt}: somebody else retried it.`,
        existingRunId: run.id,
      });
    }
    const variables = { ...origin.variables, ...withoutMasks(input.variables) };
    if (Buffer.byteLength(JSON.stringify(variables)) > maxVariableBytes) {
      return refused({
        code: 'INVALID_INPUT',
        path: ['input', 'variables'],
        message: 'The variables are larger than 64 KB.',
      });
    }
    return input.mode === 'all'
      ? retryAll(context, client, run, origin, input, variables)
      : retryInPlace(context, client, run, origin, input, input.mode, variables);
  });
  if (answer.ok) context.wake('admission', 'events');
  return answer;
}

async function retryInPlace(
  context: EngineContext,
  client: pg.ClientBase,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  mode: 'incomplete' | 'from_block',
  variables: JsonObject,
): Promise<Answer<{ readonly runId: bigint }>> {
  const chosen = chooseBlocksToRetry(run, mode, input.fromBlock);
  if (!chosen.ok) return chosen;
  const pipeline = await currentPipeline(context.database, origin.pipelineUuid, client);
  if (pipeline && !pipeline.isRunnable) return refused(brokenNow(pipeline));
  const present = new Set(
    pipeline?.definition.blocks.filter((block) => block.code !== null).map((block) => block.uuid),
  );
  const gone = pipeline && run.blocks.find((block) => chosen.value.has(block.id) && !present.has(block.uuid));
  if (gone) {
    return refused({
      code: 'PIPELINE_INVALID',
      message: `The block ${gone.uuid} is not in the pipeline any more. Put its file back, or retry the whole run with mode ALL.`,
      problems: [],
    });
  }
  const plan = planRetry(run, chosen.value, why(input));
  const changed = Object.keys(withoutMasks(input.variables)).length > 0;
  const announcements = changed
    ? [...plan.announcements, { kind: 'variables_changed' as const, reason: why(input) }]
    : plan.announcements;
  await applyRunPlan(client, run, { ...plan, announcements }, context.now(), {
    retry: {
      attempt: run.attempt + 1,
      mode,
      fromBlock: mode === 'from_block' ? input.fromBlock : null,
      actor: input.actor,
      why: input.reason,
      codeVersion: pipeline?.version ?? origin.codeVersion,
      variables,
    },
  });
  return done({ runId: run.id });
}

async function retryAll(
  context: EngineContext,
  client: pg.ClientBase,
  run: RunSnapshot,
  origin: RunOrigin,
  input: RetryPipelineRunInput,
  variables: JsonObject,
): Promise<Answer<{ readonly runId: bigint }>> {
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
  const pipeline = await currentPipeline(context.database, origin.pipelineUuid, client);
  if (!pipeline)
    return refused({
      code: 'NOT_FOUND',
      message: `The pipeline ${origin.pipelineUuid} is not in the project any more.`,
    });
  if (!pipeline.isRunnable) return refused(brokenNow(pipeline));
  const { codeVersion, ...same } = origin;
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
  await markRetried(client, run.id);
  return done({ runId });
}

function why(input: RetryPipelineRunInput): StatusReason {
  return { code: 'OTHER', message: input.reason ?? `Retried by ${input.actor}.`, actor: input.actor };
}

function brokenNow(pipeline: { readonly uuid: string; readonly problems: readonly DefinitionProblem[] }) {
  const problems = pipeline.problems.filter((problem) => problem.severity === 'error');
  return {
    code: 'PIPELINE_INVALID',
    message: `The pipeline "${pipeline.uuid}" can't run now: ${problems[0]?.message ?? 'its definition has errors.'}`,
    problems,
  } as const;
}
