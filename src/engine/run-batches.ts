import type pg from 'pg';
import { alwaysFails, type BatchAction, mostTries, notARunId, upToBlockRuns } from '../domain/batch.ts';
import type { Answer } from '../domain/refusal.ts';
import {
  type Batch,
  type BatchItem,
  countFailedTry,
  enterDone,
  enterResults,
  expirePreviews,
  itemsAfter,
  lockRunningBatch,
  runningBatches,
} from '../store/batches.ts';
import { cancelRuns } from './cancel-pipeline-run.ts';
import type { EngineContext, WakeTopic } from './context.ts';
import { deletePipelineRuns } from './delete-pipeline-runs.ts';
import { retryRuns } from './retry-pipeline-run.ts';

/**
 * Runs in one commit. Much fewer and the commits cost more than the work; more and everybody who wants one of these runs waits
 * for all of them. A deleted run takes its block runs and attempts along.
 */
const chunkSize = { retry: 100, cancel: 100, delete: 25 } as const;

/** Runs may be large: a chunk ends with the run with which it reaches so many block runs. */
const enoughBlockRuns = 2000;

/** Pieces of one batch before it is another one's turn, and before a scheduler that is told to stop can. */
const chunksInARow = 5;

/**
 * Does a few pieces of every batch that has more to do and that nobody else is at. Any process may: what an item came to is entered
 * in the commit in which it happened, so a batch goes on exactly where whoever was at it before has died. Answers how many have more to do.
 */
export async function runBatches(context: EngineContext): Promise<number> {
  const { pool } = context.database;
  await expirePreviews(pool, context.now());
  let unfinished = 0;
  const failures: unknown[] = [];
  for (const id of await runningBatches(pool)) {
    try {
      const { isOver } = await runChunks(context, id, { ifFree: true, most: chunksInARow });
      if (!isOver) unfinished++;
    } catch (error) {
      // The others must not wait for this one.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return unfinished;
}

/** Carries out a batch until at least `items` of it are done, or it has ended. */
export async function runBatchUntil(context: EngineContext, id: bigint, items: number): Promise<void> {
  for (let isOver = false, done = 0; !isOver && done < items; ) {
    ({ isOver, done } = await runChunks(context, id, { ifFree: false, most: 1 }));
  }
}

type Progress = { readonly done: number; readonly isOver: boolean };

/**
 * Does the next chunks of a batch, and then wakes whom they concern: once, because each round that is woken takes time from the next
 * chunk. Who only listens is told of each.
 */
async function runChunks(
  context: EngineContext,
  id: bigint,
  { ifFree, most }: { readonly ifFree: boolean; readonly most: number },
): Promise<Progress> {
  const topics = new Set<WakeTopic>();
  let progress: Progress = { done: 0, isOver: false };
  try {
    for (let n = 0; n < most && !progress.isOver; n++) {
      const chunk = await runChunk(context, id, ifFree);
      if (!chunk) return { ...progress, isOver: true };
      context.wake('events');
      for (const topic of woken[chunk.action]) topics.add(topic);
      progress = { done: chunk.done, isOver: chunk.done >= chunk.total };
    }
    return progress;
  } finally {
    context.wake(...topics);
  }
}

const woken: Readonly<Record<BatchAction, readonly WakeTopic[]>> = {
  cancel: ['stop', 'ends', 'admission', 'callbacks'],
  retry: ['admission'],
  // What deleted runs have stored is still to be cleared away.
  delete: ['batches'],
};

/** Does the next piece of a batch in one commit; null when there is none, or, with `ifFree`, when somebody else is at it. */
async function runChunk(
  context: EngineContext,
  id: bigint,
  ifFree: boolean,
): Promise<{ readonly action: BatchAction; readonly done: number; readonly total: number } | null> {
  const size = ({ work }: Batch) => chunkSize[work.action];
  const at: { batch: Batch | null } = { batch: null };
  try {
    return await context.database.transaction(async (client) => {
      at.batch = await lockRunningBatch(client, id, ifFree);
      return at.batch && (await doChunk(context, client, at.batch, isTakenSingly(at.batch) ? 1 : size(at.batch)));
    });
  } catch (error) {
    // Where the database is gone this fails too, and nothing is held against the batch.
    if (at.batch)
      await countFailedTry(context.database.pool, at.batch, at.batch.done + size(at.batch), mostTries).catch(() => {});
    throw error;
  }
}

async function doChunk(context: EngineContext, client: pg.ClientBase, batch: Batch, size: number) {
  const { id } = batch;
  const items = chunkOf(await itemsAfter(client, id, batch.done, size));
  const isGivenUp = isTakenSingly(batch) && batch.failedTries >= mostTries;
  const answers = isGivenUp
    ? items.map(({ runId }) => alwaysFails(runId, batch.work.action))
    : await actOn(context, client, batch, items);
  const isPlain = items.every(({ runId, givenId }, index) => {
    const answer = answers[index]!;
    return givenId === null && answer.ok && answer.value.runId === runId;
  });
  const [first, last] = [items[0], items.at(-1)];
  if (isPlain && first && last) await enterDone(client, id, first.position, last.position, context.now());
  else
    await enterResults(
      client,
      id,
      items.map(({ position, runId, givenId }, index) => {
        const answer = answers[index]!;
        return answer.ok
          ? { position, runId: answer.value.runId, refusal: null }
          : { position, runId: givenId === null ? runId : null, refusal: answer.refusal };
      }),
      context.now(),
    );
  return { action: batch.work.action, done: batch.done + items.length, total: batch.total };
}

/** Whether one of the items that come next made a piece of them fail. */
function isTakenSingly(batch: Batch): boolean {
  return batch.done < batch.singlyUntil;
}

/** A run that was named twice is acted on twice, one after the other: a chunk ends before the second time, or when it is large enough. */
function chunkOf(items: readonly BatchItem[]): readonly BatchItem[] {
  const seen = new Set<bigint>();
  const repeated = items.findIndex(({ runId, givenId }) => givenId === null && seen.size === seen.add(runId).size);
  return upToBlockRuns(repeated === -1 ? items : items.slice(0, repeated), enoughBlockRuns);
}

/** One answer for each item, in order. */
async function actOn(
  context: EngineContext,
  client: pg.ClientBase,
  batch: Batch,
  items: readonly BatchItem[],
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const changed = items.map(({ givenId }) => (givenId === null ? null : notARunId(givenId)));
  const runs = items.filter((_, index) => changed[index] === null);
  const answers = (await act(context, client, batch, runs)).values();
  return changed.map((refusal) => refusal ?? answers.next().value!);
}

function act(
  context: EngineContext,
  client: pg.ClientBase,
  { work, actor, reason }: Batch,
  items: readonly BatchItem[],
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const runIds = items.map((item) => item.runId);
  switch (work.action) {
    case 'cancel':
      return cancelRuns(context, client, runIds, { reason, actor });
    case 'delete':
      return deletePipelineRuns(context, client, runIds, { reason, actor });
    case 'retry': {
      const { retry } = work;
      // A plan is for the attempt that it was made for.
      const runs = items.map(({ runId, frozenAttempt }) => ({
        runId,
        expectedAttempt: retry.expectedAttempt,
        plannedAttempt: frozenAttempt,
      }));
      return retryRuns(context, client, runs, { ...retry, reason, actor });
    }
  }
}
