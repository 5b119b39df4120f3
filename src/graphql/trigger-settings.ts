import { type Answer, done, refused } from '../domain/refusal.ts';
import type { RunSettings } from '../domain/trigger.ts';
import { builder } from './builder.ts';
import { enumValues } from './enums.ts';

/** How a trigger's runs are treated; a single run takes those of these settings that are about a run. */

const TimeoutStatusRef = builder.enumType('TimeoutStatus', {
  description: 'What a timeout makes of a run.',
  values: enumValues(['failed', 'cancelled', 'warning'], {
    failed: 'It fails.',
    cancelled: 'It is cancelled.',
    warning: 'It goes on, and it is told that it took too long.',
  }),
});

const OverlapPolicyRef = builder.enumType('OverlapPolicy', {
  description: 'What becomes of a new run of a trigger while an earlier one has not ended.',
  values: enumValues(['allow', 'skip', 'queue', 'cancel_running'], {
    allow: 'Both run.',
    skip: 'It is skipped.',
    queue: 'It waits.',
    cancel_running: 'The earlier one is cancelled, then it runs.',
  }),
});

const CatchUpPolicyRef = builder.enumType('CatchUpPolicy', {
  description: 'What becomes of fire times that were missed.',
  values: enumValues(['none', 'latest', 'all'], {
    none: 'They are left out.',
    latest: 'The newest one is made up for.',
    all: 'Each is made up for, oldest first.',
  }),
});

export const TriggerSettingsInput = builder.inputType('TriggerSettingsInput', {
  description: 'Settings; one that is absent keeps its value, null clears it.',
  fields: (t) => ({
    timeoutSeconds: t.float({ description: 'How long an attempt of a run may take, from its start; more than 0.' }),
    timeoutStatus: t.field({ type: TimeoutStatusRef, description: 'What a timeout makes of it; FAILED unless given.' }),
    slaSeconds: t.float({ description: 'After how long somebody is told that it is late; more than 0.' }),
    allowBlocksToFail: t.boolean({ description: 'Whether other branches go on when a block has failed.' }),
    overlap: t.field({ type: OverlapPolicyRef, description: 'Of a trigger.' }),
    catchUp: t.field({ type: CatchUpPolicyRef, description: 'Of a trigger.' }),
    createInitialPipelineRun: t.boolean({ description: 'Of a trigger: whether it fires at once.' }),
    landingTimeEnabled: t.boolean({ description: 'Of a trigger: whether its runs are to end at the time.' }),
    pipelineRunLimit: t.int({ description: 'Of a trigger: how many of its runs may run at once.' }),
  }),
});

type Input = typeof TriggerSettingsInput.$inferInput;

const ofTriggersOnly = [
  'overlap',
  'catchUp',
  'createInitialPipelineRun',
  'landingTimeEnabled',
  'pipelineRunLimit',
] as const;

/** The settings of a single run; refused where they can't be meant. */
export function readRunSettings(input: Input): Answer<Partial<RunSettings>> {
  const stray = ofTriggersOnly.find((name) => input[name] != null);
  if (stray !== undefined) {
    const message = `\`${stray}\` belongs to a trigger. A run without one can be given timeoutSeconds, timeoutStatus, slaSeconds and allowBlocksToFail.`;
    return refused({ code: 'INVALID_INPUT', path: ['input', 'settings', stray], message });
  }
  for (const name of ['timeoutSeconds', 'slaSeconds'] as const) {
    const seconds = input[name];
    if (seconds != null && !(seconds > 0 && seconds <= longestSeconds)) {
      const message = `\`${name}\` must be more than 0 and at most ${longestSeconds} seconds.`;
      return refused({ code: 'INVALID_INPUT', path: ['input', 'settings', name], message });
    }
  }
  const { timeoutSeconds, timeoutStatus, slaSeconds, allowBlocksToFail } = input;
  return done({
    ...(timeoutSeconds == null ? {} : { timeoutSeconds }),
    ...(timeoutStatus == null ? {} : { timeoutStatus }),
    ...(slaSeconds == null ? {} : { slaSeconds }),
    ...(allowBlocksToFail == null ? {} : { allowBlocksToFail }),
  });
}

/** Ten years: what is longer is a mistake, and no instant. */
const longestSeconds = 315_360_000;
