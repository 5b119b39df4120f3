import { startsAtOnce } from '../domain/admission.ts';
import { decideChildRun } from '../domain/child-run.ts';
import type { JsonObject } from '../domain/pipeline.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { currentPipeline, findTriggerByName } from '../store/catalog.ts';
import { lockParent, newestChildOfCall, noteAwaitedChild } from '../store/child-runs.ts';
import { createRun } from '../store/pipeline-runs.ts';
import type { EngineContext } from './context.ts';
import { invalidPipeline, newRun, noSuchPipeline, variablesTooLarge } from './trigger-pipeline.ts';

export type TriggerChildRunInput = {
  /** The block run whose code asks, and the fence of its attempt. */
  readonly blockRunId: number;
  readonly fence: number;
  /** Counts the calls of that attempt: 1, 2, 3 … */
  readonly call: number;
  readonly pipelineUuid: string;
  readonly variables: JsonObject;
  /** The name of a trigger of that pipeline whose settings and variables the run gets; ignored when there is none of that name. */
  readonly triggerName: string | null;
  /** Whether the block waits for the run to end: then the run ends with the block. */
  readonly waits: boolean;
};

/**
 * Starts a run of another pipeline for a block that runs, in one transaction. The same call repeated, because its worker was lost,
 * finds the run that it made. Refuses what `triggerPipelineRun` refuses, an attempt that is over, and runs that are too deep.
 */
export async function triggerChildRun(
  context: EngineContext,
  input: TriggerChildRunInput,
): Promise<Answer<{ readonly runId: bigint; readonly wasFound: boolean }>> {
  const tooLarge = variablesTooLarge(input.variables);
  if (tooLarge) return refused(tooLarge);
  let started = false;
  const answer = await context.database.transaction(
    async (client): Promise<Answer<{ runId: bigint; wasFound: boolean }>> => {
      const block = await lockParent(client, input.blockRunId, input.fence);
      if (!block) return refused({ code: 'NOT_FOUND', message: `There is no block run blk_${input.blockRunId}.` });
      const earlier = await newestChildOfCall(client, input.blockRunId, block.runAttempt, input.call);
      const decided = decideChildRun(block, input.call, earlier);
      if (!decided.ok) return decided;
      if ('found' in decided.value) {
        if (input.waits) await noteAwaitedChild(client, input.blockRunId, input.fence, decided.value.found);
        return done({ runId: decided.value.found, wasFound: true });
      }

      const pipeline = await currentPipeline(context.database, input.pipelineUuid, client);
      if (!pipeline) return refused(noSuchPipeline(input.pipelineUuid));
      if (!pipeline.isRunnable) return refused(invalidPipeline(pipeline));
      const trigger =
        input.triggerName === null ? null : await findTriggerByName(client, input.pipelineUuid, input.triggerName);
      const now = context.now();
      const run = newRun(pipeline, trigger, { executionDate: now, variables: input.variables, now, env: context.env });
      const start = startsAtOnce(pipeline.definition.concurrency, trigger?.settings.pipelineRunLimit ?? null);
      const parent = {
        runId: block.pipelineRunId,
        blockRunId: BigInt(input.blockRunId),
        runAttempt: block.runAttempt,
        call: decided.value.key,
        waits: input.waits,
        depth: decided.value.depth,
      };
      const unclaimed = { createdBy: null, idempotencyKey: null, idempotencyHash: null };
      const runId = await createRun(client, { ...run, ...unclaimed, cause: 'parent', parent }, now, { start });
      if (runId === null) throw new Error('A run without an idempotency key met another one.');
      if (input.waits) await noteAwaitedChild(client, input.blockRunId, input.fence, runId);
      started = start;
      return done({ runId, wasFound: false });
    },
  );
  if (answer.ok && !answer.value.wasFound) context.wake(started ? 'ready' : 'admission', 'events');
  return answer;
}
