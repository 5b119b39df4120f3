/**
 * What a project's files say, once read and checked: the definition of a pipeline and of its blocks.
 * `project/` makes these, `store/` keeps them as versions, everything else only reads them.
 */

export const pipelineTypes = ['python', 'streaming', 'integration', 'pyspark', 'databricks', 'other'] as const;
export type PipelineType = (typeof pipelineTypes)[number];

export const blockTypes = [
  'data_loader',
  'transformer',
  'data_exporter',
  'sensor',
  'custom',
  'conditional',
  'callback',
  'dbt',
  'markdown',
  'scratchpad',
  'chart',
  'global_data_product',
  'other',
] as const;
export type BlockType = (typeof blockTypes)[number];

export const blockLanguages = [
  'python',
  'typescript',
  'javascript',
  'sql',
  'shell',
  'r',
  'yaml',
  'markdown',
  'other',
] as const;
export type BlockLanguage = (typeof blockLanguages)[number];

export type TriggerRule = 'all_success' | 'none_failed' | 'all_done' | 'one_success';

/** JSON as it travels through variables, configuration and outputs. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** Something wrong in a project file: where, and what to do about it. `file` is relative to the project. */
export type DefinitionProblem = {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number | null;
  readonly message: string;
};

/** Retries after a failed attempt; project, pipeline and block levels already merged. */
export type RetryConfig = {
  readonly retries: number;
  readonly delaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly exponentialBackoff: boolean;
  /** Whether an attempt that ran into the block's timeout is retried like any other that failed. */
  readonly retryOnTimeout: boolean;
};

export const defaultRetryConfig: RetryConfig = {
  retries: 0,
  delaySeconds: 5,
  maxDelaySeconds: 60,
  exponentialBackoff: true,
  retryOnTimeout: false,
};

/** How often a block that lost its worker is put back, unless it says otherwise. */
export const defaultCrashRetries = 2;

export type ConcurrencyConfig = {
  readonly blockRunLimit: number | null;
  readonly pipelineRunLimit: number | null;
  readonly pipelineRunLimitAllTriggers: number | null;
  readonly onPipelineRunLimitReached: 'wait' | 'skip';
};

/** A block as a definition has it. */
export type BlockDefinition = {
  readonly uuid: string;
  readonly name: string;
  readonly type: BlockType;
  readonly language: BlockLanguage;
  /** In the order of the block function's arguments. */
  readonly upstreamBlocks: readonly string[];
  readonly downstreamBlocks: readonly string[];
  /** Conditionals and callbacks attached to this block (both ways of attaching them, merged). */
  readonly conditionals: readonly string[];
  readonly callbacks: readonly string[];
  /** Path of the code, relative to the project, with forward slashes; null when the block has none. */
  readonly file: string | null;
  readonly code: string | null;
  readonly configuration: JsonObject;
  readonly retryConfig: RetryConfig;
  /** Attempts put back because their worker was lost, before the block fails with WORKER_LOST. */
  readonly crashRetries: number;
  readonly timeoutSeconds: number | null;
  readonly triggerRule: TriggerRule;
  readonly executorType: string;
  /** Which workers may run it: `executor_config.label`, else 'default'. */
  readonly label: string;
};

/** A pipeline as a project has it. `blocks` run; `conditionals` and `callbacks` are attached to them. */
export type PipelineDefinition = {
  readonly uuid: string;
  readonly name: string;
  readonly description: string | null;
  readonly type: PipelineType;
  readonly tags: readonly string[];
  readonly variables: JsonObject;
  readonly blocks: readonly BlockDefinition[];
  readonly conditionals: readonly BlockDefinition[];
  readonly callbacks: readonly BlockDefinition[];
  readonly concurrency: ConcurrencyConfig;
  readonly retryConfig: RetryConfig;
};

/** Block types that are shown but never executed: they make no block runs. */
export const displayOnlyBlockTypes: ReadonlySet<BlockType> = new Set(['markdown', 'scratchpad', 'chart']);

/** The blocks of a definition that make block runs, in definition order. */
export function executableBlocks(definition: PipelineDefinition): readonly BlockDefinition[] {
  return definition.blocks.filter((block) => !displayOnlyBlockTypes.has(block.type));
}
