import type pg from 'pg';
import { planInvalidDefinition } from '../domain/run.ts';
import { dueTick } from '../domain/schedule.ts';
import { activeTimeTriggers, type CurrentPipeline, currentPipeline, type StoredTrigger } from '../store/catalog.ts';
import { createRun, type NewRun } from '../store/pipeline-runs.ts';
import { applyRunPlan } from '../store/run-plans.ts';
import { lockRun } from '../store/run-snapshots.ts';
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
    if (!pipeline) {
      await completeTick(client, tickId, 'failed', null, "The pipeline can't run: it is not in the project any more.");
      return false;
    }
    const run = {
      ...newRun(pipeline, trigger, { executionDate: scheduledFor, variables: {}, now, env: context.env }),
      cause: 'schedule',
      createdBy: null,
      idempotencyKey: null,
      idempotencyHash: null,
    } as const;
    if (pipeline.isRunnable) {
      await completeTick(client, tickId, 'fired', await createRun(client, run, now), null);
      return true;
    }
    const message = `The pipeline can't run: ${whyNot(pipeline)}`;
    await completeTick(client, tickId, 'failed', await createFailedRun(client, run, message, now), message);
    return true;
  });
}

/** A run that nothing can come of is there all the same, without block runs, so that somebody sees that it did not happen, and why. */
async function createFailedRun(client: pg.ClientBase, run: NewRun, message: string, now: Date): Promise<bigint> {
  const nothingToDo = { ...run.definition, blocks: [] };
  const runId = await createRun(client, { ...run, definition: nothingToDo }, now);
  const created = runId === null ? null : await lockRun(client, runId);
  if (!created) throw new Error('a run without an idempotency key was not created');
  await applyRunPlan(client, created, planInvalidDefinition(message), now);
  return created.id;
}

function whyNot({ problems }: CurrentPipeline): string {
  const first = problems.find((problem) => problem.severity === 'error');
  return first ? `${first.file}: ${first.message}` : 'its definition has errors.';
}
