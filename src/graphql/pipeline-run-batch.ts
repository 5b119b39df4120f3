import type { BatchWork } from '../domain/batch.ts';
import { done, type Refusal, refused } from '../domain/refusal.ts';

import { type BatchItemResult, listBatchResults } from '../store/list-batches.ts';
import type { Principal } from './access.ts';
import { BatchOperationRef } from './batch-operation.ts';
import { BatchResultRef } from './batch-result.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { refuseKey } from './idempotency-key.ts';
import { parseId } from './ids.ts';
import { whyNotStorable } from './json-input.ts';
import { PipelineRunFilter, type PipelineRunFilterInput, pipelineRunCriteria } from './pipeline-run-filter.ts';
import { UserErrorRef } from './refusals.ts';

/** Doing something to chosen runs: what all such mutations share. Each run is decided by itself, and answers for itself. */

export type BatchPayload = { readonly batchId: bigint } | { readonly error: Refusal };

const resultsInPayload = 100;

export const PipelineRunBatchPayload = builder.objectRef<BatchPayload>('PipelineRunBatchPayload').implement({
  description:
    'In the order of the ids given. Up to 100 items end within the request; of more, `results` holds the first 100: follow `batch`.',
  authScopes: forViewers,
  fields: (t) => ({
    batch: t.field({
      type: BatchOperationRef,
      nullable: true,
      description: 'Null exactly when the whole was refused; then `error` says why.',
      resolve: (payload, _args, { loaders }) =>
        'batchId' in payload ? loaders.batchOperation.load(payload.batchId) : null,
    }),
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description: 'Why the whole was refused; then nothing was done.',
      resolve: (payload) => ('error' in payload ? payload.error : null),
    }),
    results: t.field({
      type: [BatchResultRef],
      description: 'One for each id, in their order: the first 100.',
      resolve: async (payload, _args, { database }): Promise<BatchItemResult[]> =>
        'error' in payload ? [] : [...(await listBatchResults(database, payload.batchId, 0, resultsInPayload, false))],
    }),
  }),
});

export const PipelineRunSelection = builder.inputType('PipelineRunSelection', {
  description:
    'Exactly one: the runs by id (at most 1,000), by filter, or the frozen set of a previewed batch (`planId` = its id; mode, fromBlock and variables come from it).',
  fields: (t) => ({
    ids: t.idList({ description: 'By their ids: at least one, at most 1,000.' }),
    filter: t.field({ type: PipelineRunFilter, description: 'All that meet it now, oldest first.' }),
    planId: t.id({ description: 'Those of a preview: the id of its batch.' }),
  }),
});

type Selection = typeof PipelineRunSelection.$inferInput;

export type BatchInput = {
  readonly selection: Selection;
  readonly reason?: string | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
};

/** Starts a batch, or carries out the plan that is selected. */
export async function startBatch(
  { engine, principal }: GraphQLContext,
  work: BatchWork,
  input: BatchInput,
  isPreview = false,
): Promise<BatchPayload> {
  const refusal = typeof input.idempotencyKey === 'string' ? refuseKey(input.idempotencyKey) : null;
  if (refusal) return { error: refusal };
  const why = whyNotStorable(input.reason ?? '');
  if (why !== null) {
    const message = `The reason holds ${why}, which can't be kept.`;
    return { error: { code: 'INVALID_INPUT', path: ['input', 'reason'], message } };
  }
  const selection = readSelection(input.selection);
  if (!selection.ok) return { error: selection.refusal };
  const shared = {
    actor: (principal as Principal).name,
    reason: input.reason ?? null,
    idempotencyKey: input.idempotencyKey ?? null,
  };
  const chosen = selection.value;
  if (chosen.kind === 'plan' && isPreview) {
    return { error: invalid('planId', 'A plan can not be previewed again. Choose by ids or by a filter.') };
  }
  const answer =
    chosen.kind === 'plan'
      ? await engine.carryOutBatch({
          ...shared,
          batchId: chosen.batchId,
          action: work.action,
          expectedAttempt: work.retry?.expectedAttempt ?? null,
        })
      : await engine.startBatch({ ...shared, work, selection: chosen, isPreview });
  return answer.ok ? answer.value : { error: answer.refusal };
}

/** A filter that can't be meant refuses the whole as data: it is part of what was asked to be done. */
function readSelection({ ids, filter, planId }: Selection) {
  const given = [ids, filter, planId].filter((one) => one !== null && one !== undefined);
  if (given.length !== 1) {
    return refused(
      invalid(null, `Choose runs in exactly one way, by ids, filter or planId; the selection has ${given.length}.`),
    );
  }
  if (ids) {
    return done({ kind: 'ids' as const, given: ids.map((id) => ({ id: storable(id), runId: parseId('run', id) })) });
  }
  if (filter) return readFilter(filter);
  const batchId = parseId('bop', planId ?? '');
  if (batchId !== null) return done({ kind: 'plan' as const, batchId });
  return refused({
    code: 'PLAN_EXPIRED',
    path: ['input', 'selection', 'planId'],
    message: `There is no plan ${JSON.stringify(planId)}; the id of one looks like bop_9. Preview again.`,
  });
}

function readFilter(filter: PipelineRunFilterInput) {
  try {
    return done({ kind: 'filter' as const, criteria: pipelineRunCriteria(filter) });
  } catch (error) {
    return refused(invalid('filter', error instanceof Error ? error.message : String(error)));
  }
}

/** What is no id is kept with the answer, as far as Postgres can keep it. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD').slice(0, 200);
}

function invalid(field: string | null, message: string): Refusal {
  return { code: 'INVALID_INPUT', path: ['input', 'selection', ...(field === null ? [] : [field])], message };
}
