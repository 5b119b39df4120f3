import type { Refusal } from '../domain/refusal.ts';
import type { BatchOperation } from '../generated/prisma/client.ts';
import { may } from './access.ts';
import { BatchOperationRef } from './batch-operation.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { parseId } from './ids.ts';
import { ForbiddenError, forbiddenAction, InvalidStateError, NotFoundError, refusalTypeName } from './refusals.ts';

type Success = { readonly batch: BatchOperation };

const BatchOperationSuccess = builder.objectRef<Success>('BatchOperationSuccess').implement({
  description: 'It was done.',
  authScopes: forViewers,
  fields: (t) => ({
    batch: t.field({ type: BatchOperationRef, description: 'The batch afterwards.', resolve: ({ batch }) => batch }),
  }),
});

const BatchOperationResult = builder.unionType('BatchOperationResult', {
  description: 'The batch, or why nothing was done.',
  types: [BatchOperationSuccess, NotFoundError, InvalidStateError, ForbiddenError],
  resolveType: (result) => ('batch' in result ? BatchOperationSuccess : refusalTypeName(result)),
});

const AbortBatchOperationInput = builder.inputType('AbortBatchOperationInput', {
  description: 'Which batch to abort.',
  fields: (t) => ({ id: t.id({ required: true, description: 'Its id, for instance `bop_9`.' }) }),
});

builder.mutationField('abortBatchOperation', (t) =>
  t.field({
    type: BatchOperationResult,
    description: 'Ends a batch early; what it did stays done. Needs the role that the batch needs.',
    authScopes: { operator: true },
    unauthorizedResolver: () => forbiddenAction('abort batches'),
    args: { input: t.arg({ type: AbortBatchOperationInput, required: true, description: 'Which.' }) },
    resolve: (_root, { input }, context) => abort(context, input.id) as Promise<Success>,
  }),
);

async function abort({ engine, loaders, principal }: GraphQLContext, id: string): Promise<Success | Refusal> {
  const batchId = parseId('bop', id);
  const batch = batchId === null ? null : await loaders.batchOperation.load(batchId);
  if (batchId === null || !batch) {
    return { code: 'NOT_FOUND', path: ['input', 'id'], message: `There is no batch ${JSON.stringify(id)}.` };
  }
  if (batch.action === 'delete' && !may(principal, 'delete_runs')) {
    return forbiddenAction('abort a deletion of runs', 'ADMIN');
  }
  const answer = await engine.abortBatchOperation(batchId);
  return answer.ok ? { batch: (await loaders.batchOperation.load(batchId)) ?? batch } : answer.refusal;
}
