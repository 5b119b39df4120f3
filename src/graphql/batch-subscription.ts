import { createPause } from '../events/pause.ts';
import type { BatchOperation } from '../generated/prisma/client.ts';
import { BatchOperationRef } from './batch-operation.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { parseId } from './ids.ts';
import { invalidInput } from './request-errors.ts';

/** A batch has no events of its own: who follows one looks at its row so often, in milliseconds, and hears of what changed. */
const lookEveryMs = 250;

builder.subscriptionField('batchOperationProgress', (t) =>
  t.field({
    type: BatchOperationRef,
    description:
      'A batch as it is now, and again whenever it got further. An unknown id is an error at subscribe; completes after the last state.',
    authScopes: forViewers,
    args: { id: t.arg.id({ required: true, description: 'For instance `bop_9`.' }) },
    subscribe: (_root, { id }, context) => open(context, id),
    resolve: (batch) => batch as BatchOperation,
  }),
);

async function open({ database }: GraphQLContext, id: string): Promise<AsyncIterable<BatchOperation>> {
  const batchId = parseId('bop', id);
  const load = async () =>
    batchId === null ? null : database.prisma.batchOperation.findUnique({ where: { id: batchId } });
  const first = await load();
  if (first === null) throw invalidInput(`There is no batch ${JSON.stringify(id)}.`);
  return followBatch(first, load, lookEveryMs);
}

/** Made by hand: an `async function*` that waits would hear of `return()` only after its wait. */
function followBatch(
  first: BatchOperation,
  load: () => Promise<BatchOperation | null>,
  everyMs: number,
): AsyncIterableIterator<BatchOperation, undefined> {
  const over = { done: true, value: undefined } as const;
  let told: BatchOperation | null = null;
  let isOver = false;
  const pause = createPause();

  const tell = (batch: BatchOperation) => {
    told = batch;
    return { done: false, value: batch } as const;
  };
  const finish = async () => {
    isOver = true;
    pause.cut();
    return over;
  };

  const iterator: AsyncIterableIterator<BatchOperation, undefined> = {
    next: async () => {
      if (told === null && !isOver) return tell(first);
      while (!isOver && told !== null && goesOn(told)) {
        await pause.sleep(everyMs);
        const batch = isOver ? null : await load();
        if (batch === null || isOver) return finish();
        if (batch.done !== told.done || batch.status !== told.status) return tell(batch);
      }
      return finish();
    },
    return: finish,
    throw: async (error) => {
      await finish();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

/** A plan may yet be carried out. */
function goesOn({ status }: BatchOperation): boolean {
  return status === 'running' || status === 'previewed';
}
