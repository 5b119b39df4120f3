import { type Answer, done, type Refusal, refused } from '../domain/refusal.ts';
import type { TriggerPipelineInput } from '../engine/trigger-pipeline.ts';
import type { Principal } from './access.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { refuseKey } from './idempotency-key.ts';
import { parseId } from './ids.ts';
import { refuseJson, whyNotStorable } from './json-input.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import {
  ConflictError,
  ForbiddenError,
  forbiddenAction,
  InvalidInputError,
  NotFoundError,
  PipelineInvalidError,
  refusalTypeName,
} from './refusals.ts';
import { readRunSettings, TriggerSettingsInput } from './trigger-settings.ts';

export type Success = { readonly runId: bigint; readonly wasReplayed: boolean };

const TriggerPipelineRunSuccess = builder.objectRef<Success>('TriggerPipelineRunSuccess').implement({
  description: 'The run was made, or is the one that an earlier call with the same key made.',
  authScopes: forViewers,
  fields: (t) => ({
    pipelineRun: t.field({
      type: PipelineRunRef,
      description: 'The run. It starts as soon as the limits allow.',
      resolve: async ({ runId }, _args, { loaders }) => {
        const run = await loaders.pipelineRun.load(runId);
        if (run === null) throw new Error(`Run ${runId} was made and is not there.`);
        return run;
      },
    }),
    wasReplayed: t.exposeBoolean('wasReplayed', {
      description: 'Whether an earlier call with the same key had made it already.',
    }),
  }),
});

export const TriggerPipelineRunResult = builder.unionType('TriggerPipelineRunResult', {
  description: 'The run, or why there is none.',
  types: [
    TriggerPipelineRunSuccess,
    NotFoundError,
    InvalidInputError,
    ConflictError,
    PipelineInvalidError,
    ForbiddenError,
  ],
  resolveType: (result) => ('runId' in result ? TriggerPipelineRunSuccess : refusalTypeName(result)),
});

export const TriggerPipelineRunInput = builder.inputType('TriggerPipelineRunInput', {
  description: 'Which pipeline to run, and how.',
  fields: (t) => ({
    pipelineUuid: t.string({ required: true, description: "The pipeline: its folder's name in the project." }),
    triggerId: t.id({
      description:
        "Runs under this trigger's settings and variables, whatever its status; changes nothing about it. Overlap and limits apply.",
    }),
    variables: t.field({
      type: 'JSONObject',
      description: "Go before the pipeline's and the trigger's own. At most 64 KB.",
    }),
    executionDate: t.field({ type: 'DateTime', description: 'The logical date; now unless given.' }),
    settings: t.field({ type: TriggerSettingsInput, description: 'For a run without a trigger.' }),
    idempotencyKey: t.string({
      description:
        '1–128 characters, unique per pipeline, kept at least 24 h: the same input gives the same run again, another gives ConflictError.',
    }),
  }),
});

type Input = typeof TriggerPipelineRunInput.$inferInput;

builder.mutationField('triggerPipelineRun', (t) =>
  t.field({
    type: TriggerPipelineRunResult,
    description: 'Starts a run of a pipeline. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => forbiddenAction('start runs') as Extract<Refusal, { code: 'FORBIDDEN' }>,
    args: { input: t.arg({ type: TriggerPipelineRunInput, required: true, description: 'Which, and how.' }) },
    resolve: (_root, { input }, context) => trigger(context, input) as Promise<Success>,
  }),
);

async function trigger(context: GraphQLContext, input: Input): Promise<Success | Refusal> {
  const checked = readTriggerInput(context, input);
  if (!checked.ok) return checked.refusal;
  const answer = await context.engine.triggerPipelineRun(checked.value);
  return answer.ok ? answer.value : answer.refusal;
}

/** The input in the engine's terms; refused where it can't be meant. */
export function readTriggerInput(
  { principal, isFromBrowser }: GraphQLContext,
  input: Input,
): Answer<TriggerPipelineInput> {
  const refusal = refuseInput(input);
  if (refusal) return refused(refusal);
  const triggerId = input.triggerId ? parseId('trg', input.triggerId) : null;
  if (input.triggerId && triggerId === null) {
    return refused({
      code: 'NOT_FOUND',
      path: ['input', 'triggerId'],
      message: `${JSON.stringify(input.triggerId)} is not the id of a trigger; one looks like trg_3.`,
    });
  }
  if (input.settings && triggerId !== null) {
    const message = 'A run of a trigger has the settings of its trigger. Leave out `settings`, or `triggerId`.';
    return refused({ code: 'INVALID_INPUT', path: ['input', 'settings'], message });
  }
  const settings = input.settings ? readRunSettings(input.settings) : null;
  if (settings && !settings.ok) return settings;
  return done({
    pipelineUuid: input.pipelineUuid,
    triggerId,
    ...(settings ? { settings: settings.value } : {}),
    variables: input.variables ?? {},
    executionDate: input.executionDate ?? null,
    idempotencyKey: input.idempotencyKey ?? null,
    cause: isFromBrowser ? 'manual' : 'api',
    actor: (principal as Principal).name,
  });
}

function refuseInput({ pipelineUuid, variables, idempotencyKey }: Input): Refusal | null {
  const wrongKey = typeof idempotencyKey === 'string' ? refuseKey(idempotencyKey) : null;
  if (wrongKey) return wrongKey;
  if (whyNotStorable(pipelineUuid) !== null) {
    const message = `There is no pipeline ${JSON.stringify(pipelineUuid)}.`;
    return { code: 'NOT_FOUND', path: ['input', 'pipelineUuid'], message };
  }
  return variables ? refuseJson(variables, ['input', 'variables']) : null;
}
