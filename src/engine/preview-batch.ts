import type pg from 'pg';
import { notARunId, upToBlockRuns } from '../domain/batch.ts';
import type { Answer } from '../domain/refusal.ts';
import {
  type Batch,
  type BatchItem,
  enterPredictions,
  findBatch,
  itemsAfter,
  type PredictedItem,
} from '../store/batches.ts';
import { readRunOutlines } from '../store/whole-runs.ts';
import { decideCancel } from './cancel-pipeline-run.ts';
import type { EngineContext } from './context.ts';
import { decideDelete } from './delete-pipeline-runs.ts';
import { previewRetries } from './retry-pipeline-run.ts';

/** Runs that are looked at in one go, and with how many block runs in all a go ends: they are all in memory at once. */
const lookedAtOnce = { runs: 250, blockRuns: 20_000 } as const;

/** Enters for each item of a preview what would become of it. Changes no run, and locks none: nobody waits. */
export async function previewBatch(context: EngineContext, id: bigint): Promise<void> {
  const { pool } = context.database;
  const batch = await findBatch(pool, id);
  if (!batch) return;
  for (let looked = 0; looked < batch.total; ) {
    const items = upToBlockRuns(await itemsAfter(pool, id, looked, lookedAtOnce.runs), lookedAtOnce.blockRuns);
    if (items.length === 0) return;
    const answers = await predict(context, pool, batch, items);
    const predictions = items.map(({ position, runId, givenId }, index) => {
      const answer = answers[index]!;
      return { position, runId: givenId === null ? runId : null, ...answer };
    });
    await enterPredictions(pool, id, predictions);
    looked += items.length;
  }
}

async function predict(
  context: EngineContext,
  client: pg.Pool,
  { work, actor, reason }: Batch,
  items: readonly BatchItem[],
): Promise<readonly Prediction[]> {
  const runs = items.filter((item) => item.givenId === null).map((item) => item.runId);
  const predictions =
    work.action === 'retry'
      ? await previewRetries(
          context,
          client,
          runs.map((runId) => ({ ...work.retry, runId, reason, actor })),
        ).then((plans) => plans.map((plan) => ({ refusal: plan.refused, plan })))
      : (await judge(client, work.action, runs)).map(predictionOf);
  const ofRuns = predictions.values();
  return items.map(({ givenId }) => (givenId === null ? ofRuns.next().value! : predictionOf(notARunId(givenId))));
}

/** What would become of one item; of a retry, with its plan. */
type Prediction = Pick<PredictedItem, 'refusal' | 'plan'>;

function predictionOf(answer: Answer<unknown>): Prediction {
  return { refusal: answer.ok ? null : answer.refusal, plan: null };
}

async function judge(
  client: pg.Pool,
  action: 'cancel' | 'delete',
  runIds: readonly bigint[],
): Promise<readonly Answer<unknown>[]> {
  const runs = await readRunOutlines(client, runIds);
  return runIds.map((runId) => {
    const run = runs.get(runId);
    return action === 'delete' ? decideDelete(runId, run) : decideCancel(runId, run);
  });
}
