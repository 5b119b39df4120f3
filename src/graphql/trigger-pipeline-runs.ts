import type { Refusal } from '../domain/refusal.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { forbiddenAction } from './refusals.ts';
import {
  readTriggerInput,
  type Success,
  TriggerPipelineRunInput,
  TriggerPipelineRunResult,
} from './trigger-pipeline-run.ts';

/** Many runs in one commit: what a program wants that has a list of things to run. */

type Result = Success | Refusal;

const TriggerPipelineRunsPayload = builder
  .objectRef<{ readonly results: readonly Result[] }>('TriggerPipelineRunsPayload')
  .implement({
    description: 'One result for each run that was asked for.',
    authScopes: forViewers,
    fields: (t) => ({
      results: t.field({
        type: [TriggerPipelineRunResult],
        description: 'In the order asked.',
        resolve: ({ results }) => [...results] as Success[],
      }),
    }),
  });

const TriggerPipelineRunsInput = builder.inputType('TriggerPipelineRunsInput', {
  description: 'At most 100, in one commit; one result each, in order.',
  fields: (t) => ({
    runs: t.field({ type: [TriggerPipelineRunInput], required: true, description: 'Which, and how. At most 100.' }),
  }),
});

type Inputs = (typeof TriggerPipelineRunsInput.$inferInput)['runs'];

const mostRuns = 100;

builder.mutationField('triggerPipelineRuns', (t) =>
  t.field({
    type: TriggerPipelineRunsPayload,
    description: 'Starts many runs in one commit. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: (_root, { input }) => ({ results: input.runs.map(() => forbiddenAction('start runs')) }),
    args: { input: t.arg({ type: TriggerPipelineRunsInput, required: true, description: 'Which, and how.' }) },
    resolve: async (_root, { input }, context) => ({ results: await triggerAll(context, input.runs) }),
  }),
);

async function triggerAll(context: GraphQLContext, inputs: Inputs): Promise<readonly Result[]> {
  if (inputs.length > mostRuns) {
    const message = `${inputs.length} runs; at most ${mostRuns} can be started at once.`;
    return inputs.map(() => ({ code: 'INVALID_INPUT', path: ['input', 'runs'], message }));
  }
  const checked = inputs.map((input) => readTriggerInput(context, input));
  const answers = await context.engine.triggerPipelineRuns(checked.flatMap((one) => (one.ok ? [one.value] : [])));
  const waiting = answers.values();
  return checked.map((one, index) => {
    const answer = one.ok ? waiting.next().value! : one;
    return answer.ok ? (answer.value as Success) : inItem(answer.refusal, index);
  });
}

/** The path of a refusal leads into the one item that it is about. */
function inItem(refusal: Refusal, index: number): Refusal {
  return refusal.path?.[0] === 'input'
    ? { ...refusal, path: ['input', 'runs', String(index), ...refusal.path.slice(1)] }
    : refusal;
}
