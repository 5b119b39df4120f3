import type pg from 'pg';
import { startsAtOnce } from '../domain/admission.ts';
import type { JsonObject } from '../domain/pipeline.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { periodAt } from '../domain/schedule.ts';
import { defaultTriggerSettings, type RunSettings } from '../domain/trigger.ts';
import { maxVariableBytes, resolveVariables } from '../domain/variables.ts';
import { type CurrentPipeline, currentPipeline, findTrigger, type StoredTrigger } from '../store/catalog.ts';
import { createRun, findRunByKey, type NewRun } from '../store/pipeline-runs.ts';
import type { EngineContext } from './context.ts';
import { hashOf } from './input-hash.ts';

export type TriggerPipelineInput = {
  readonly pipelineUuid: string;
  /** Runs under this trigger's settings and variables, whatever its status. */
  readonly triggerId: bigint | null;
  readonly variables: JsonObject;
  /** The logical date; null for now. */
  readonly executionDate: Date | null;
  /** Of a run without a trigger; a trigger has its own. */
  readonly settings?: Partial<RunSettings>;
  /** The same key with the same input gives the same run again; with another input a CONFLICT. */
  readonly idempotencyKey: string | null;
  readonly cause: 'manual' | 'api';
  readonly actor: string;
};

export type TriggeredRun = { readonly runId: bigint; readonly wasReplayed: boolean };

/** Creates a run of a pipeline, in one transaction, and starts it there when nothing limits it; else admission does. Refuses an unknown or invalid pipeline, and variables over 64 KB. */
export async function triggerPipelineRun(
  context: EngineContext,
  input: TriggerPipelineInput,
): Promise<Answer<TriggeredRun>> {
  const answer = await createTriggeredRun(context, null, input);
  if (answer.ok && !answer.value.wasReplayed) context.wake(answer.value.hasStarted ? 'ready' : 'admission', 'events');
  return answer;
}

/** Creates the runs in one transaction, all that are not refused; one answer each, in order. For at most a hundred. */
export async function triggerPipelineRuns(
  context: EngineContext,
  inputs: readonly TriggerPipelineInput[],
): Promise<readonly Answer<TriggeredRun>[]> {
  const answers = await context.database.transaction(async (client) => {
    const made: Answer<TriggeredRun & { readonly hasStarted: boolean }>[] = [];
    for (const input of inputs) made.push(await createTriggeredRun(context, client, input));
    return made;
  });
  if (answers.some((answer) => answer.ok && !answer.value.wasReplayed)) context.wake('ready', 'admission', 'events');
  return answers;
}

/** Without a client the creation is a transaction of its own. */
async function createTriggeredRun(
  context: EngineContext,
  client: pg.ClientBase | null,
  input: TriggerPipelineInput,
): Promise<Answer<TriggeredRun & { readonly hasStarted: boolean }>> {
  const tooLarge = variablesTooLarge(input.variables);
  if (tooLarge) return refused(tooLarge);
  const connection = client ?? context.database.pool;
  const pipeline = await currentPipeline(context.database, input.pipelineUuid, client ?? undefined);
  if (!pipeline) return refused(noSuchPipeline(input.pipelineUuid));
  if (!pipeline.isRunnable) return refused(invalidPipeline(pipeline));

  const trigger = input.triggerId === null ? null : await findTrigger(connection, input.triggerId);
  if (input.triggerId !== null && trigger?.pipelineUuid !== input.pipelineUuid) {
    return refused({
      code: 'NOT_FOUND',
      path: ['input', 'triggerId'],
      message: `The pipeline ${input.pipelineUuid} has no trigger trg_${input.triggerId}.`,
    });
  }

  const now = context.now();
  const run: NewRun = {
    ...newRun(pipeline, trigger, {
      executionDate: input.executionDate ?? now,
      variables: input.variables,
      settings: input.settings,
      now,
      env: context.env,
    }),
    cause: input.cause,
    createdBy: input.actor,
    idempotencyKey: input.idempotencyKey,
    idempotencyHash: input.idempotencyKey === null ? null : hashInput(input),
  };
  const start = startsAtOnce(pipeline.definition.concurrency, trigger?.settings.pipelineRunLimit ?? null);
  const runId = await createRun(connection, run, now, { start });
  if (runId === null) return replay(connection, input);
  return done({ runId, wasReplayed: false, hasStarted: start });
}

/** What every way to start a run has in common: the pipeline as it stands, the trigger's settings, the resolved variables. */
export function newRun(
  pipeline: CurrentPipeline,
  trigger: StoredTrigger | null,
  given: {
    readonly executionDate: Date;
    readonly variables: JsonObject;
    readonly settings?: Partial<RunSettings> | undefined;
    readonly now: Date;
    readonly env: string;
  },
): Omit<NewRun, 'cause' | 'createdBy' | 'idempotencyKey' | 'idempotencyHash'> {
  const settings = { ...(trigger?.settings ?? defaultTriggerSettings), ...given.settings };
  const timezone = trigger?.timezone ?? 'UTC';
  const { executionDate, now } = given;
  // Late and hand-started runs do not miss their SLA at birth: the clock starts at the tick only when the run came in time.
  const slaFrom = now.getTime() - executionDate.getTime() <= 60_000 ? executionDate : now;
  return {
    pipelineUuid: pipeline.uuid,
    version: pipeline.version,
    tags: pipeline.tags,
    definition: pipeline.definition,
    triggerId: trigger?.id ?? null,
    triggerName: trigger?.name ?? null,
    retryOfId: null,
    rootRunId: null,
    executionDate,
    variables: resolveVariables({
      pipeline: pipeline.definition.variables,
      trigger: trigger?.variables ?? {},
      run: given.variables,
      event: null,
      env: given.env,
      executionDate,
      timezone,
      interval: trigger?.scheduleInterval ? periodAt(trigger.scheduleInterval, timezone, executionDate) : null,
      triggerId: trigger?.id ?? null,
      triggerName: trigger?.name ?? null,
    }),
    eventVariables: null,
    allowBlocksToFail: settings.allowBlocksToFail,
    timeoutSeconds: settings.timeoutSeconds,
    timeoutStatus: settings.timeoutStatus,
    slaSeconds: settings.slaSeconds,
    slaDeadline: settings.slaSeconds === null ? null : new Date(slaFrom.getTime() + settings.slaSeconds * 1000),
  };
}

async function replay(
  connection: pg.ClientBase | pg.Pool,
  input: TriggerPipelineInput,
): Promise<Answer<TriggeredRun & { readonly hasStarted: boolean }>> {
  const existing = await findRunByKey(connection, input.pipelineUuid, input.idempotencyKey ?? '');
  if (existing?.hash === hashInput(input)) return done({ runId: existing.id, wasReplayed: true, hasStarted: false });
  return refused({
    code: 'CONFLICT',
    path: ['input', 'idempotencyKey'],
    message: 'Another call used this idempotency key with another input. Use a new key for a new run.',
    ...(existing ? { existingRunId: existing.id } : {}),
  });
}

function hashInput(input: TriggerPipelineInput): string {
  const { pipelineUuid, triggerId, variables, executionDate, settings } = input;
  return hashOf([pipelineUuid, triggerId, variables, executionDate, ...(settings ? [settings] : [])]);
}

/** The refusal of variables that are too large to travel with a run; null when they are not. */
export function variablesTooLarge(variables: JsonObject) {
  if (Buffer.byteLength(JSON.stringify(variables)) <= maxVariableBytes) return null;
  return {
    code: 'INVALID_INPUT',
    path: ['input', 'variables'],
    message: 'The variables are larger than 64 KB. Put the data somewhere a block can read it, and pass its place.',
  } as const;
}

/** The refusal of a pipeline that is not there. */
export function noSuchPipeline(uuid: string) {
  return {
    code: 'NOT_FOUND',
    path: ['input', 'pipelineUuid'],
    message: `There is no pipeline named "${uuid}". The query { pipelines { nodes { uuid } } } lists those that there are.`,
  } as const;
}

/** The refusal of a pipeline whose definition has errors, which names the first. */
export function invalidPipeline(pipeline: CurrentPipeline) {
  const problems = pipeline.problems.filter((problem) => problem.severity === 'error');
  const first = problems[0];
  return {
    code: 'PIPELINE_INVALID',
    path: ['input', 'pipelineUuid'],
    message: `The pipeline "${pipeline.uuid}" can't run: ${first ? `${first.file}: ${first.message}` : 'its definition has errors.'}`,
    problems,
  } as const;
}
