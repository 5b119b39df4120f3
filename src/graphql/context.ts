import { type DocumentNode, visit } from 'graphql';
import type { DefinitionProblem } from '../domain/pipeline.ts';
import type { abortBatchOperation } from '../engine/abort-batch.ts';
import type { CarryOutBatchInput, carryOutBatch } from '../engine/carry-out-batch.ts';
import type { PlanOfRetryInput, planOfRetry } from '../engine/retry-pipeline-run.ts';
import type { StartBatchInput, startBatch } from '../engine/start-batch.ts';
import type { TriggerPipelineInput, triggerPipelineRun, triggerPipelineRuns } from '../engine/trigger-pipeline.ts';
import type { EventFeed } from '../events/event-feed.ts';
import type { RunningFeed } from '../events/feed.ts';
import type { sampleOutput } from '../outputs/sample-output.ts';
import type { Database } from '../store/database.ts';
import type { Principal } from './access.ts';
import { createLoaders, type Loaders } from './loaders.ts';

/** What the schema works with, the same for every request of a process. */
export type GraphQLServices = {
  readonly database: Database;
  readonly engine: EngineVerbs;
  readonly feed: EventFeed & Pick<RunningFeed, 'epoch'>;
  readonly outputs: OutputReader;
  readonly server: ServerFacts;
};

/** The engine's verbs, each already holding its EngineContext. */
export type EngineVerbs = {
  readonly triggerPipelineRun: (input: TriggerPipelineInput) => ReturnType<typeof triggerPipelineRun>;
  readonly triggerPipelineRuns: (inputs: readonly TriggerPipelineInput[]) => ReturnType<typeof triggerPipelineRuns>;
  readonly planOfRetry: (input: PlanOfRetryInput) => ReturnType<typeof planOfRetry>;
  readonly startBatch: (input: StartBatchInput) => ReturnType<typeof startBatch>;
  readonly carryOutBatch: (input: CarryOutBatchInput) => ReturnType<typeof carryOutBatch>;
  readonly abortBatchOperation: (batchId: bigint) => ReturnType<typeof abortBatchOperation>;
};

/** Where block outputs lie, and how to look into one. `sample` rejects when the data can't be reached. */
export type OutputReader = {
  readonly root: string;
  readonly sample: typeof sampleOutput;
};

/** What only the process itself knows. */
export type ServerFacts = {
  readonly version: string;
  readonly startedAt: Date;
  readonly database: 'embedded' | 'external';
  readonly projectName: string;
  /** Whether a scheduler, here or elsewhere, is at work. */
  readonly schedulerAlive: () => Promise<boolean>;
  /** Problems of the project that belong to no single pipeline. */
  readonly problems: () => readonly DefinitionProblem[];
};

/** What resolvers see: the services, and what belongs to one operation. */
export type GraphQLContext = GraphQLServices & {
  /** Null for nobody: then no field can be read. */
  readonly principal: Principal | null;
  /** Whether a person in a browser asks, rather than a program with a token: the cause of a run is MANUAL then, else API. */
  readonly isFromBrowser: boolean;
  /** Where the event log stood before the operation began; null when the operation doesn't ask. */
  readonly eventCursor: string | null;
  readonly loaders: Loaders;
};

export type Caller = {
  readonly principal: Principal | null;
  readonly isFromBrowser: boolean;
};

/**
 * Makes the contexts of operations. Await one *before* executing: it reads the event cursor when the document asks for
 * it, and everything the answer shows must be at least as new as that.
 */
export function createContextFactory(services: GraphQLServices) {
  return async (caller: Caller, document: DocumentNode): Promise<GraphQLContext> => ({
    ...services,
    principal: caller.principal,
    isFromBrowser: caller.isFromBrowser,
    eventCursor: asksForEventCursor(document) ? await services.feed.position() : null,
    loaders: createLoaders(services.database),
  });
}

const asking = new WeakMap<DocumentNode, boolean>();

/** Remembered per document: a subscription's is asked about at each of its events. */
function asksForEventCursor(document: DocumentNode): boolean {
  const known = asking.get(document);
  if (known !== undefined) return known;
  let asks = false;
  visit(document, {
    Field: (field) => {
      asks ||= field.name.value === 'eventCursor';
    },
  });
  asking.set(document, asks);
  return asks;
}
