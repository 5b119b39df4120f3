import type { JsonObject } from '../domain/pipeline.ts';
import type { Answer } from '../domain/refusal.ts';
import type { EngineContext } from './context.ts';

export type TriggerPipelineInput = {
  readonly pipelineUuid: string;
  readonly triggerId: bigint | null;
  readonly variables: JsonObject;
  readonly executionDate: Date | null;
  readonly idempotencyKey: string | null;
  readonly cause: 'manual' | 'api';
  readonly actor: string;
};

export type TriggeredRun = { readonly runId: bigint; readonly wasReplayed: boolean };
export type TriggerPipeline = (context: EngineContext, input: TriggerPipelineInput) => Promise<Answer<TriggeredRun>>;
