import { type Answer, done, refused } from '../domain/refusal.ts';
import { currentPipeline } from '../store/catalog.ts';
import { hasCompleted } from '../store/child-runs.ts';
import type { EngineContext } from './context.ts';
import { noSuchPipeline } from './trigger-pipeline.ts';

const hourMs = 3_600_000;

/**
 * Whether the newest run of a pipeline for a logical date in the `hours` up to `executionDate`, or one block of it, has completed;
 * false when there is none. Refuses a pipeline or block that isn't there, which would be waited for in vain.
 */
export async function askHasCompleted(
  context: EngineContext,
  asked: {
    readonly pipelineUuid: string;
    readonly blockUuid: string | null;
    readonly executionDate: Date;
    readonly hours: number;
  },
): Promise<Answer<boolean>> {
  const { pipelineUuid, blockUuid, executionDate: until, hours } = asked;
  const pipeline = await currentPipeline(context.database, pipelineUuid);
  if (!pipeline) return refused(noSuchPipeline(pipelineUuid));
  if (blockUuid !== null && !pipeline.definition.blocks.some((block) => block.uuid === blockUuid)) {
    return refused({ code: 'NOT_FOUND', message: `The pipeline ${pipelineUuid} has no block "${blockUuid}".` });
  }
  const after = new Date(until.getTime() - hours * hourMs);
  return done(await hasCompleted(context.database.pool, { pipelineUuid, blockUuid, after, until }));
}
