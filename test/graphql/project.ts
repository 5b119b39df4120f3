import { type BlockDefinition, defaultRetryConfig, type PipelineDefinition } from '../../src/domain/pipeline.ts';
import { savePipelines } from '../../src/store/catalog.ts';
import type { Database } from '../../src/store/database.ts';

/** A pipeline of blocks in a chain. */
export function chain(
  uuid: string,
  blocks: readonly string[],
  more: Partial<Pick<PipelineDefinition, 'tags' | 'variables' | 'name' | 'type'>> = {},
): PipelineDefinition {
  return {
    uuid,
    name: uuid,
    description: null,
    type: 'python',
    tags: [],
    variables: {},
    blocks: blocks.map((name, place) => block(name, blocks[place - 1], blocks[place + 1])),
    conditionals: [],
    callbacks: [],
    concurrency: {
      blockRunLimit: null,
      pipelineRunLimit: null,
      // Nothing of this pipeline is admitted: its runs stay as they were created, until a test moves them.
      pipelineRunLimitAllTriggers: 0,
      onPipelineRunLimitReached: 'wait',
    },
    retryConfig: defaultRetryConfig,
    ...more,
  };
}

function block(uuid: string, upstream: string | undefined, downstream: string | undefined): BlockDefinition {
  return {
    uuid,
    name: `The block ${uuid}`,
    type: 'transformer',
    language: 'typescript',
    upstreamBlocks: upstream ? [upstream] : [],
    downstreamBlocks: downstream ? [downstream] : [],
    conditionals: [],
    callbacks: [],
    file: `transformers/${uuid}.ts`,
    code: 'export default () => 1;',
    configuration: {},
    retryConfig: defaultRetryConfig,
    crashRetries: 2,
    timeoutSeconds: null,
    triggerRule: 'all_success',
    executorType: 'local',
    label: 'default',
  };
}

/** Puts pipelines into the catalogue, as a project scan does. */
export async function saveProject(database: Database, pipelines: readonly PipelineDefinition[]): Promise<void> {
  const entries = pipelines.map((definition) => ({
    uuid: definition.uuid,
    version: 'v1',
    definition,
    problems: [],
    isRunnable: true,
  }));
  await database.transaction((client) => savePipelines(client, entries, new Date()));
}
