import type { Answer } from '../domain/refusal.ts';
import type { EngineContext } from './context.ts';

export type CancelPipelineRunInput = { readonly runId: bigint; readonly reason: string | null; readonly actor: string };
export type CancelPipelineRun = (
  context: EngineContext,
  input: CancelPipelineRunInput,
) => Promise<Answer<{ readonly runId: bigint }>>;
