import type { JsonObject } from './pipeline.ts';

/** A trigger's settings, with every default applied. Durations in seconds. */
export type TriggerSettings = {
  readonly timeoutSeconds: number | null;
  readonly timeoutStatus: 'failed' | 'cancelled' | 'warning';
  readonly slaSeconds: number | null;
  readonly allowBlocksToFail: boolean;
  readonly overlap: 'allow' | 'skip' | 'queue' | 'cancel_running';
  readonly catchUp: 'none' | 'latest' | 'all';
  readonly createInitialPipelineRun: boolean;
  readonly landingTimeEnabled: boolean;
  readonly pipelineRunLimit: number | null;
};

/** Of these, what a single run without a trigger can be given. */
export type RunSettings = Pick<
  TriggerSettings,
  'timeoutSeconds' | 'timeoutStatus' | 'slaSeconds' | 'allowBlocksToFail'
>;

export const defaultTriggerSettings: TriggerSettings = {
  timeoutSeconds: null,
  timeoutStatus: 'failed',
  slaSeconds: null,
  allowBlocksToFail: false,
  overlap: 'allow',
  catchUp: 'latest',
  createInitialPipelineRun: false,
  landingTimeEnabled: false,
  pipelineRunLimit: null,
};

/** A trigger as a triggers.yaml file has it. */
export type TriggerDefinition = {
  readonly pipelineUuid: string;
  readonly name: string;
  readonly description: string | null;
  readonly type: 'time' | 'api' | 'event';
  readonly status: 'active' | 'inactive';
  /** '@once', '@hourly', … or a cron expression; null for API and event triggers. */
  readonly scheduleInterval: string | null;
  readonly timezone: string;
  readonly startTime: Date | null;
  readonly variables: JsonObject;
  readonly settings: TriggerSettings;
  readonly token: string | null;
};
