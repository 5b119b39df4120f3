import type { Refusal } from '../domain/refusal.ts';
import type { Principal } from './access.ts';
import { builder } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { refuseJson } from './json-input.ts';
import { RetryModeRef } from './pipeline-run-attempt.ts';
import { type BatchPayload, forEachRun, PipelineRunBatchPayload, PipelineRunSelection } from './pipeline-run-batch.ts';
import { forbiddenAction } from './refusals.ts';

const RetryPipelineRunsInput = builder.inputType('RetryPipelineRunsInput', {
  description: 'Which runs to retry, and how.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    mode: t.field({ type: RetryModeRef, description: 'INCOMPLETE unless given.' }),
    fromBlock: t.string({ description: 'With mode FROM_BLOCK: the uuid of the block.' }),
    variables: t.field({
      type: 'JSONObject',
      description: 'Overrides for this and later attempts. A value equal to its mask means unchanged.',
    }),
    reason: t.string({ description: 'For the history: why.' }),
    expectedAttempt: t.int({
      description: 'Refuses a run whose attempt is another: one effect for many callers.',
    }),
  }),
});

builder.mutationField('retryPipelineRuns', (t) =>
  t.field({
    type: PipelineRunBatchPayload,
    description: 'Retry selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('retry runs'), results: [] }),
    args: { input: t.arg({ type: RetryPipelineRunsInput, required: true, description: 'Which, and how.' }) },
    resolve: async (_root, { input }, context) => retry(context, input),
  }),
);

function retry(
  { engine, principal }: GraphQLContext,
  input: typeof RetryPipelineRunsInput.$inferInput,
): Promise<BatchPayload> | BatchPayload {
  const mode = input.mode ?? 'incomplete';
  const refusal = refuseMode(mode, input.fromBlock) ?? refuseJson(input.variables ?? {}, ['input', 'variables']);
  if (refusal) return { error: refusal, results: [] };
  const shared = {
    mode,
    fromBlock: input.fromBlock ?? null,
    variables: input.variables ?? {},
    reason: input.reason ?? null,
    expectedAttempt: input.expectedAttempt ?? null,
    actor: (principal as Principal).name,
  };
  return forEachRun(input.selection.ids, (runId) => engine.retryPipelineRun({ runId, ...shared }));
}

function refuseMode(mode: 'incomplete' | 'from_block' | 'all', fromBlock: string | null | undefined): Refusal | null {
  const path = ['input', 'fromBlock'];
  if (mode === 'from_block' && !fromBlock) {
    return { code: 'INVALID_INPUT', path, message: 'FROM_BLOCK needs `fromBlock`: the uuid of the block.' };
  }
  if (mode !== 'from_block' && fromBlock) {
    return { code: 'INVALID_INPUT', path, message: '`fromBlock` goes with the mode FROM_BLOCK only.' };
  }
  return null;
}
