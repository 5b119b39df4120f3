import type { JsonObject } from '../domain/pipeline.ts';
import type { Answer } from '../domain/refusal.ts';
import type { EngineContext } from './context.ts';

export type RetryPipelineRunInput = {
  readonly runId: bigint;
  readonly mode: 'incomplete' | 'from_block' | 'all';
  /** With mode from_block: a block uuid of the run. */
  readonly fromBlock: string | null;
  readonly variables: JsonObject;
  readonly reason: string | null;
  /** Refuses a run whose attempt is another. */
  readonly expectedAttempt: number | null;
  readonly actor: string;
};
/** `runId` is the same run for incomplete and from_block, a new one for all. */
export type RetryPipelineRun = (
  context: EngineContext,
  input: RetryPipelineRunInput,
) => Promise<Answer<{ readonly runId: bigint }>>;
