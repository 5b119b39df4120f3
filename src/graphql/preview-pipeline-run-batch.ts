import { may } from './access.ts';
import { BatchActionRef } from './batch-operation.ts';
import { builder } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { RetryModeRef } from './pipeline-run-attempt.ts';
import { type BatchPayload, PipelineRunBatchPayload, PipelineRunSelection, startBatch } from './pipeline-run-batch.ts';
import { forbiddenAction } from './refusals.ts';
import { readRetry } from './retry-pipeline-runs.ts';

const PreviewPipelineRunBatchInput = builder.inputType('PreviewPipelineRunBatchInput', {
  description: 'What would be done, and to which runs.',
  fields: (t) => ({
    action: t.field({ type: BatchActionRef, required: true, description: 'What.' }),
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'To which runs: ids or filter.' }),
    mode: t.field({ type: RetryModeRef, description: 'Of a retry: INCOMPLETE unless given.' }),
    fromBlock: t.string({ description: 'With mode FROM_BLOCK: the uuid of the block.' }),
    variables: t.field({ type: 'JSONObject', description: 'Of a retry: overrides.' }),
  }),
});

builder.mutationField('previewPipelineRunBatch', (t) =>
  t.field({
    type: PipelineRunBatchPayload,
    description:
      'What a batch would do, as a frozen plan that `selection: {planId}` carries out within 15 minutes. Needs the role that the batch needs.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('change runs') }),
    args: { input: t.arg({ type: PreviewPipelineRunBatchInput, required: true, description: 'What, and to which.' }) },
    resolve: (_root, { input }, context) => preview(context, input),
  }),
);

function preview(
  context: GraphQLContext,
  { action, selection, ...how }: typeof PreviewPipelineRunBatchInput.$inferInput,
): Promise<BatchPayload> | BatchPayload {
  if (action === 'delete' && !may(context.principal, 'delete_runs')) {
    return { error: forbiddenAction('delete runs', 'ADMIN') };
  }
  if (action === 'retry') {
    const retry = readRetry(how);
    return retry.ok
      ? startBatch(context, { action, retry: retry.value }, { selection }, true)
      : { error: retry.refusal };
  }
  const extra = (['mode', 'fromBlock', 'variables'] as const).find((name) => how[name] != null);
  if (extra === undefined) return startBatch(context, { action, retry: null }, { selection }, true);
  const message = `\`${extra}\` goes with the action RETRY only.`;
  return { error: { code: 'INVALID_INPUT', path: ['input', extra], message } };
}
