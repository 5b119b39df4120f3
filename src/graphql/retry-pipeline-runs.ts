import type { BatchRetry } from '../domain/batch.ts';
import type { JsonObject } from '../domain/pipeline.ts';
import { type Answer, done, type Refusal, refused } from '../domain/refusal.ts';
import { builder } from './builder.ts';
import { refuseJson, whyNotStorable } from './json-input.ts';
import { RetryModeRef } from './pipeline-run-attempt.ts';
import { PipelineRunBatchPayload, PipelineRunSelection, startBatch } from './pipeline-run-batch.ts';
import { PipelineRunFilter } from './pipeline-run-filter.ts';
import { forbiddenAction } from './refusals.ts';
import { refuseUnknownPipeline } from './unknown-pipeline.ts';

const keyDescription =
  '1–128 characters, unique among retries: the same input gives the same batch again, another gives ConflictError.';
const variablesDescription = 'Overrides for this and later attempts. A value equal to its mask means unchanged.';

const RetryPipelineRunsInput = builder.inputType('RetryPipelineRunsInput', {
  description: 'Which runs to retry, and how.',
  fields: (t) => ({
    selection: t.field({ type: PipelineRunSelection, required: true, description: 'Which runs.' }),
    mode: t.field({ type: RetryModeRef, description: 'INCOMPLETE unless given; not with a plan.' }),
    fromBlock: t.string({ description: 'With mode FROM_BLOCK: the uuid of the block.' }),
    variables: t.field({ type: 'JSONObject', description: variablesDescription }),
    reason: t.string({ description: 'For the history: why.' }),
    expectedAttempt: t.int({
      description: 'Refuses a run whose attempt is another: one effect for many callers.',
    }),
    idempotencyKey: t.string({ description: keyDescription }),
  }),
});

const RetryIncompleteBlockRunsInput = builder.inputType('RetryIncompleteBlockRunsInput', {
  description: 'Every failed run of the pipeline that is the newest of its retries.',
  fields: (t) => ({
    pipelineUuid: t.string({ required: true, description: 'The pipeline.' }),
    filter: t.field({ type: PipelineRunFilter, description: 'Only those that also meet this.' }),
    variables: t.field({ type: 'JSONObject', description: variablesDescription }),
    reason: t.string({ description: 'For the history: why.' }),
    idempotencyKey: t.string({ description: keyDescription }),
  }),
});

builder.mutationFields((t) => ({
  retryPipelineRuns: t.field({
    type: PipelineRunBatchPayload,
    description: 'Retry selected runs. Needs the role OPERATOR.',
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('retry runs') }),
    args: { input: t.arg({ type: RetryPipelineRunsInput, required: true, description: 'Which, and how.' }) },
    resolve: (_root, { input }, context) => {
      const retry = input.selection.planId ? ofPlan(input) : readRetry(input);
      return retry.ok ? startBatch(context, { action: 'retry', retry: retry.value }, input) : { error: retry.refusal };
    },
  }),
  retryIncompleteBlockRuns: t.field({
    type: PipelineRunBatchPayload,
    description: "Retry all incomplete block runs of a pipeline's failed runs. Needs the role OPERATOR.",
    authScopes: { operator: true },
    unauthorizedResolver: () => ({ error: forbiddenAction('retry runs') }),
    args: { input: t.arg({ type: RetryIncompleteBlockRunsInput, required: true, description: 'Of which pipeline.' }) },
    resolve: async (_root, { input: { pipelineUuid, filter, variables, ...more } }, context) => {
      const retry = readRetry({ variables });
      if (!retry.ok) return { error: retry.refusal };
      const unknown = await refuseUnknownPipeline(context, pipelineUuid);
      if (unknown) return { error: unknown };
      const failed = { pipelineUuid: { eq: pipelineUuid }, lastRunFailed: true };
      const selection = { filter: filter ? { ...failed, and: [filter] } : failed };
      return startBatch(context, { action: 'retry', retry: retry.value }, { ...more, selection });
    },
  }),
}));

type RetryInput = {
  readonly mode?: BatchRetry['mode'] | null | undefined;
  readonly fromBlock?: string | null | undefined;
  readonly variables?: JsonObject | null | undefined;
  readonly expectedAttempt?: number | null | undefined;
};

/** How to retry, checked; INCOMPLETE unless it says otherwise. */
export function readRetry(input: RetryInput): Answer<BatchRetry> {
  const mode = input.mode ?? 'incomplete';
  const refusal = refuseMode(mode, input.fromBlock) ?? refuseJson(input.variables ?? {}, ['input', 'variables']);
  if (refusal) return refused(refusal);
  return done({
    mode,
    fromBlock: input.fromBlock ?? null,
    variables: input.variables ?? {},
    expectedAttempt: input.expectedAttempt ?? null,
  });
}

/** A plan knows how it retries; it may only be asked for the attempt. */
function ofPlan(input: RetryInput): Answer<BatchRetry> {
  const extra = (['mode', 'fromBlock', 'variables'] as const).find((name) => input[name] != null);
  if (extra === undefined) return readRetry({ expectedAttempt: input.expectedAttempt });
  const message = `\`${extra}\` comes from the plan; give it to the preview instead.`;
  return refused({ code: 'INVALID_INPUT', path: ['input', extra], message });
}

function refuseMode(mode: BatchRetry['mode'], fromBlock: string | null | undefined): Refusal | null {
  const path = ['input', 'fromBlock'];
  if (mode === 'from_block' && !fromBlock) {
    return { code: 'INVALID_INPUT', path, message: 'FROM_BLOCK needs `fromBlock`: the uuid of the block.' };
  }
  if (mode !== 'from_block' && fromBlock) {
    return { code: 'INVALID_INPUT', path, message: '`fromBlock` goes with the mode FROM_BLOCK only.' };
  }
  if (whyNotStorable(fromBlock ?? '') === null) return null;
  return { code: 'INVALID_INPUT', path, message: `There is no block ${JSON.stringify(fromBlock)}.` };
}
