import type { DefinitionProblem, PipelineDefinition, RetryConfig } from '../domain/pipeline.ts';
import type { TriggerDefinition } from '../domain/trigger.ts';

/** A project folder as it was read: one moment of it, with everything that is wrong in it said. */
export type Project = {
  readonly name: string;
  /** Absolute, symbolic links resolved. */
  readonly dir: string;
  /** By uuid. */
  readonly pipelines: readonly ReadPipeline[];
  /** What is wrong outside of any pipeline: the project's own metadata.yaml, io_config.yaml. */
  readonly problems: readonly DefinitionProblem[];
  readonly settings: ProjectSettings;
};

/** What the project's metadata.yaml sets for all pipelines. */
export type ProjectSettings = {
  readonly retryConfig: RetryConfig;
  /** Worker slots; null leaves it to the server. */
  readonly queueConcurrency: number | null;
  readonly variablesDir: string | null;
};

/** A pipeline of the folder. One that can't run is here too, as far as it could be read, so that people see it and why. */
export type ReadPipeline = {
  readonly uuid: string;
  /** Names the definition and all its code: 16 hex digits, equal exactly when both are. */
  readonly version: string;
  readonly definition: PipelineDefinition;
  /** Everything to show for the pipeline, also what is wrong in its triggers file (these are warnings). */
  readonly problems: readonly DefinitionProblem[];
  /** True when none of the problems is an error. */
  readonly isRunnable: boolean;
  readonly triggers: readonly ReadTrigger[];
  /** False when triggers.yaml could not be read: the triggers known so far must then stay as they are. */
  readonly areTriggersReadable: boolean;
};

/** A trigger of a triggers.yaml. One whose problems hold an error must not fire by itself. */
export type ReadTrigger = {
  readonly definition: TriggerDefinition;
  readonly problems: readonly DefinitionProblem[];
};
