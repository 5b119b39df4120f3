import { builder } from './builder.ts';
import { PipelineRunBatchPayload, PipelineRunSelection, startBatch } from './pipeline-run-batch.ts';
import type { PipelineRunFilterInput } from './pipeline-run-filter.ts';
import { forbiddenAction } from './refusals.ts';
import { refuseUnknownPipeline } from './unknown-pipeline.ts';

const CancelPipelineRunsInput = builder.inputType('CancelPipelineRunsInput', {
  description: 'Which runs to cancel.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    reason: t.string({ description: 'For the history: why.' }),
    idempotencyKey: t.string({
      description:
        '1–128 characters, unique among cancels: the same input gives the same batch again, another gives ConflictError.',
    }),
  }),
});

const CancelAllRunningPipelineRunsInput = builder.inputType('CancelAllRunningPipelineRunsInput', {
  description: 'Whose runs to cancel.',
  fields: (t) => ({
    pipelineUuid: t.string({ required: true, description: 'The pipeline.' }),
    reason: t.string({ description: 'For the history: why.' }),
  }),
});

const cancel = { action: 'cancel', retry: null } as const;

builder.mutationFields((t) => ({
  cancelPipelineRuns: t.field({
    type: PipelineRunBatchPayload,
    description: 'Cancel selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('cancel runs') }),
    args: { input: t.arg({ type: CancelPipelineRunsInput, required: true, description: 'Which.' }) },
    resolve: (_root, { input }, context) => startBatch(context, cancel, input),
  }),
  cancelAllRunningPipelineRuns: t.field({
    type: PipelineRunBatchPayload,
    description: 'Cancel every initial or running run of a pipeline. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('cancel runs') }),
    args: { input: t.arg({ type: CancelAllRunningPipelineRunsInput, required: true, description: 'Whose.' }) },
    resolve: async (_root, { input: { pipelineUuid, reason } }, context) => {
      const unknown = await refuseUnknownPipeline(context, pipelineUuid);
      if (unknown) return { error: unknown };
      const filter: PipelineRunFilterInput = {
        pipelineUuid: { eq: pipelineUuid },
        status: { in: ['initial', 'running'] },
      };
      return startBatch(context, cancel, { selection: { filter }, reason });
    },
  }),
}));
