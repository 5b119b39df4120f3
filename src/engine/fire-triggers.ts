import { dueTick } from '../domain/schedule.ts';
import { activeTimeTriggers, currentPipeline, type StoredTrigger } from '../store/catalog.ts';
import { createRun } from '../store/pipeline-runs.ts';
import { completeTick, firedKeys, reserveTick, switchOff } from '../store/ticks.ts';
import type { EngineContext } from './context.ts';
import { newRun } from './trigger-pipeline.ts';

/** Fires every tick that is due and has not fired. Two schedulers can't fire one tick twice: its key is unique. Answers how many fired. */
export async function fireTriggers(context: EngineContext): Promise<number> {
  const now = context.now();
  const triggers = await activeTimeTriggers(context.database.pool);
  const due = triggers.flatMap((trigger) => {
    const tick = dueTick(trigger, now);
    return tick ? [{ trigger, tick }] : [];
  });
  const fired = await firedKeys(
    context.database.pool,
    due.map(({ trigger, tick }) => ({ triggerId: trigger.id, key: tick.key, scheduledFor: tick.scheduledFor })),
  );
  let count = 0;
  for (const { trigger, tick } of due) {
    if (fired.has(`${trigger.id} ${tick.key}`)) continue;
    if (await fire(context, trigger, tick.key, tick.scheduledFor, now)) count++;
  }
  if (count > 0) context.wake('admission', 'events');
  return count;
}

async function fire(
  context: EngineContext,
  trigger: StoredTrigger,
  key: string,
  scheduledFor: Date,
  now: Date,
): Promise<boolean> {
  return context.database.transaction(async (client) => {
    const tickId = await reserveTick(client, trigger.id, key, scheduledFor, now);
    if (tickId === null) return false;
    if (trigger.scheduleInterval === '@once') await switchOff(client, trigger.id, now);
    const pipeline = await currentPipeline(context.database, trigger.pipelineUuid, client);
    if (!pipeline?.isRunnable) {
      const why =
        pipeline?.problems.find((problem) => problem.severity === 'error')?.message ??
        'it is not in the project any more.';
      await completeTick(client, tickId, 'failed', null, `The pipeline can't run: ${why}`);
      return false;
    }
    const runId = await createRun(
      client,
      {
        ...newRun(pipeline, trigger, { executionDate: scheduledFor, variables: {}, now, env: context.env }),
        cause: 'schedule',
        createdBy: null,
        idempotencyKey: null,
        idempotencyHash: null,
      },
      now,
    );
    await completeTick(client, tickId, 'fired', runId, null);
    return true;
  });
}
