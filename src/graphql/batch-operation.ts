import { batchActions, batchStatuses } from '../domain/batch.ts';
import type { BatchOperation } from '../generated/prisma/client.ts';
import { type BatchItemResult, listBatches, listBatchResults } from '../store/list-batches.ts';
import { BatchResultRef } from './batch-result.ts';
import { builder, forViewers } from './builder.ts';
import { connectionType } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { cursorCodec } from './cursors.ts';
import { enumValues } from './enums.ts';
import { formatId, parseId } from './ids.ts';
import { NodeRef } from './node.ts';
import { type Connection, readPage, readPageArguments, standardPage } from './paging.ts';
import { invalidCursor } from './request-errors.ts';

/** A retry, cancel or delete over many runs: how far it is, and what became of each run. */

export const BatchActionRef = builder.enumType('BatchAction', {
  description: 'What a batch does to its runs.',
  values: enumValues(batchActions, {
    retry: 'Retries them.',
    cancel: 'Cancels them.',
    delete: 'Deletes them.',
  }),
});

const BatchStatusRef = builder.enumType('BatchStatus', {
  description: 'Where a batch stands.',
  values: enumValues(batchStatuses, {
    previewed: 'A plan: it says what would happen, and can be carried out until `expiresAt`.',
    running: 'It goes on by itself, also after a restart.',
    completed: 'Every item has its answer.',
    aborted: 'Somebody ended it early; what it did stays done.',
    expired: 'A plan whose time is over.',
  }),
});

const BatchResultConnectionRef = connectionType<BatchItemResult>('BatchResult', 'results of a batch', BatchResultRef);

export const BatchOperationRef = builder.objectRef<BatchOperation>('BatchOperation').implement({
  description:
    'A retry, cancel or delete over many runs: survives restarts, answers for each run, can be followed and aborted.',
  authScopes: forViewers,
  interfaces: [NodeRef],
  fields: (t) => ({
    id: t.id({
      description: 'For instance `bop_9`; of a preview: the `planId`.',
      resolve: ({ id }) => formatId('bop', id),
    }),
    action: t.field({ type: BatchActionRef, description: 'What it does.', resolve: ({ action }) => action }),
    status: t.field({ type: BatchStatusRef, description: 'Where it stands.', resolve: ({ status }) => status }),
    actor: t.exposeString('actor', { nullable: true, description: 'Who asked for it.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why, as they said.' }),
    total: t.exposeInt('total', { description: 'How many items it has: chosen when it was made, and those only.' }),
    done: t.exposeInt('done', { description: 'How many have their answer; they are done in their order.' }),
    succeeded: t.exposeInt('succeeded', { description: 'How many were done; of a preview: would be.' }),
    refused: t.exposeInt('refused', { description: 'How many were refused; of a preview: would be.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Of a preview: until when it can be carried out.',
    }),
    results: t.field({
      type: BatchResultConnectionRef,
      description: 'What became of each run, in the order of the items; of a batch that goes on, as far as it is.',
      args: {
        first: t.arg.int({ description: '25 unless given, at most 100.' }),
        after: t.arg.string({ description: 'What follows this cursor.' }),
        onlyRefused: t.arg.boolean({ defaultValue: false, description: 'Only those that were refused.' }),
      },
      resolve: ({ id }, { first, after, onlyRefused }, context) =>
        resultPage(context, id, first, after, onlyRefused ?? false),
    }),
  }),
});

async function resultPage(
  { database }: GraphQLContext,
  batchId: bigint,
  first: number | null | undefined,
  after: string | null | undefined,
  onlyRefused: boolean,
): Promise<Connection<BatchItemResult>> {
  const { size, cursor } = readPageArguments({ first, after }, standardPage);
  const codec = cursorCodec(['batchResults', batchId, onlyRefused]);
  const from = cursor === null ? 0 : Number(codec.decode(cursor)[0]);
  if (!Number.isSafeInteger(from) || from < 0)
    throw invalidCursor('This cursor has been altered. Start again without one.');
  const read = await listBatchResults(database, batchId, from, size + 1, onlyRefused);
  return {
    edges: read.slice(0, size).map((node) => ({ cursor: codec.encode([node.position]), node })),
    hasNextPage: async () => read.length > size,
    hasPreviousPage: async () => from > 0,
  };
}

const BatchOperationConnectionRef = connectionType<BatchOperation>('BatchOperation', 'batches', BatchOperationRef);

builder.queryFields((t) => ({
  batchOperation: t.field({
    type: BatchOperationRef,
    nullable: true,
    description: 'A batch by its id; null when there is none.',
    authScopes: forViewers,
    args: { id: t.arg.id({ required: true, description: 'For instance `bop_9`.' }) },
    resolve: (_root, { id }, { loaders }) => {
      const batchId = parseId('bop', id);
      return batchId === null ? null : loaders.batchOperation.load(batchId);
    },
  }),
  batchOperations: t.field({
    type: BatchOperationConnectionRef,
    description: 'All batches, newest first.',
    authScopes: forViewers,
    args: {
      status: t.arg({ type: [BatchStatusRef], description: 'One of these; all unless given.' }),
      first: t.arg.int({ description: '25 unless given, at most 100.' }),
      after: t.arg.string({ description: 'What follows this cursor.' }),
    },
    resolve: (_root, { status, ...page }, { database }) =>
      readPage<bigint, BatchOperation>(
        {
          identity: ['batchOperations', status ?? null],
          sortKind: 'instant',
          idKind: 'number',
          size: standardPage,
          positions: (window) => listBatches(database, status ?? null, window),
          load: (ids) => database.prisma.batchOperation.findMany({ where: { id: { in: [...ids] } } }),
          idOf: (batch) => batch.id,
        },
        page,
      ),
  }),
}));
