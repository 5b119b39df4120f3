import type pg from 'pg';
import { notARunId } from '../domain/batch.ts';
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

/** Runs that are looked at in one go. Nothing is locked, so nobody waits. */
const lookedAtOnce = 250;

/** Enters for each item of a preview what would become of it. Changes no run. */
export async function previewBatch(context: EngineContext, id: bigint): Promise<void> {
  const { database } = context;
  const batch = await findBatch(database.pool, id);
  if (!batch) return;
  for (let looked = 0; looked < batch.total; looked += lookedAtOnce) {
    await database.transaction(async (client) => {
      const items = await itemsAfter(client, id, looked, lookedAtOnce);
      const answers = await predict(context, client, batch, items);
      const predictions = items.map(({ position, runId, givenId }, index) => {
        const answer = answers[index]!;
        return { position, runId: givenId === null ? runId : null, ...answer };
      });
      await enterPredictions(client, id, predictions);
    });
  }
}

async function predict(
  context: EngineContext,
  client: pg.ClientBase,
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
  client: pg.ClientBase,
  action: 'cancel' | 'delete',
  runIds: readonly bigint[],
): Promise<readonly Answer<unknown>[]> {
  const runs = await readRunOutlines(client, runIds);
  return runIds.map((runId) => {
    const run = runs.get(runId);
    return action === 'delete' ? decideDelete(runId, run) : decideCancel(runId, run);
  });
}
