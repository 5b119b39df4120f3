import { builder } from './builder.ts';
import { PipelineRunBatchPayload, PipelineRunSelection, startBatch } from './pipeline-run-batch.ts';
import { forbiddenAction } from './refusals.ts';

const DeletePipelineRunsInput = builder.inputType('DeletePipelineRunsInput', {
  description: 'Which runs to delete.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    reason: t.string({ description: 'For the history: why.' }),
    idempotencyKey: t.string({
      description:
        '1–128 characters, unique among deletions: the same input gives the same batch again, another gives ConflictError.',
    }),
  }),
});

builder.mutationField('deletePipelineRuns', (t) =>
  t.field({
    type: PipelineRunBatchPayload,
    description:
      'Delete selected runs that have ended, with their block runs, attempts, logs and outputs. It makes no tick due. Needs the role ADMIN.',
    authScopes: { admin: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('delete runs', 'ADMIN') }),
    args: { input: t.arg({ type: DeletePipelineRunsInput, required: true, description: 'Which.' }) },
    resolve: (_root, { input }, context) => startBatch(context, { action: 'delete', retry: null }, input),
  }),
);
