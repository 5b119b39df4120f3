import type { Principal } from './access.ts';
import { builder } from './builder.ts';
import { forEachRun, PipelineRunBatchPayload, PipelineRunSelection } from './pipeline-run-batch.ts';
import { forbiddenAction } from './refusals.ts';

const CancelPipelineRunsInput = builder.inputType('CancelPipelineRunsInput', {
  description: 'Which runs to cancel.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    reason: t.string({ description: 'For the history: why.' }),
  }),
});

builder.mutationField('cancelPipelineRuns', (t) =>
  t.field({
    type: PipelineRunBatchPayload,
    description: 'Cancel selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('cancel runs'), results: [] }),
    args: { input: t.arg({ type: CancelPipelineRunsInput, required: true, description: 'Which.' }) },
    resolve: async (_root, { input }, { engine, principal }) => {
      const { actor, reason } = { actor: (principal as Principal).name, reason: input.reason ?? null };
      return forEachRun(input.selection.ids, (runId) => engine.cancelPipelineRun({ runId, reason, actor }));
    },
  }),
);
