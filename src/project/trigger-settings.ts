import { defaultTriggerSettings, type TriggerSettings } from '../domain/trigger.ts';
import type { Fields } from './fields.ts';
import { triggerSettingKeys } from './known-keys.ts';

/** A trigger's `settings`, and its `sla` that stands beside them; defaults where nothing is said. */
export function readTriggerSettings(trigger: Fields): TriggerSettings {
  const settings = trigger.fields('settings');
  settings.warnOfSlips(triggerSettingKeys);
  const defaults = defaultTriggerSettings;
  const skips = settings.flag('skip_if_previous_running') ?? false;
  return {
    // Mage's forms store 0 for "none".
    timeoutSeconds: settings.number('timeout', { min: 0 }) || null,
    timeoutStatus: settings.oneOf('timeout_status', ['failed', 'cancelled', 'warning']) ?? defaults.timeoutStatus,
    slaSeconds: trigger.number('sla', { min: 0 }) || null,
    allowBlocksToFail: settings.flag('allow_blocks_to_fail') ?? defaults.allowBlocksToFail,
    overlap:
      settings.oneOf('overlap', ['allow', 'skip', 'queue', 'cancel_running']) ?? (skips ? 'skip' : defaults.overlap),
    catchUp: settings.oneOf('catch_up', ['none', 'latest', 'all']) ?? defaults.catchUp,
    createInitialPipelineRun: settings.flag('create_initial_pipeline_run') ?? defaults.createInitialPipelineRun,
    landingTimeEnabled: settings.flag('landing_time_enabled') ?? defaults.landingTimeEnabled,
    pipelineRunLimit: settings.number('pipeline_run_limit', { min: 0, integer: true }),
  };
}
