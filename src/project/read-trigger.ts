import type { DefinitionProblem, JsonObject } from '../domain/pipeline.ts';
import { intervalProblem } from '../domain/schedule.ts';
import type { TriggerDefinition } from '../domain/trigger.ts';
import { maxVariableBytes } from '../domain/variables.ts';
import type { Fields } from './fields.ts';
import { triggerKeys } from './known-keys.ts';
import { problemsOf } from './problems.ts';
import type { ReadTrigger } from './project.ts';
import { isTimezone, readStartTime } from './start-time.ts';
import type { Environment } from './templates.ts';
import { readTriggerSettings } from './trigger-settings.ts';

/**
 * Reads one entry of triggers.yaml; null when it has no name (reported to the file) or is meant for other environments. What is
 * wrong in it is the trigger's own problem; a schedule that can't be used is left out of the definition.
 */
export function readTrigger(entry: Fields, pipelineUuid: string, env: Environment): ReadTrigger | null {
  const name = entry.text('name');
  if (name === null || name.trim() === '') {
    entry.problems.warning(
      entry.line,
      'This trigger has no name and is left out. Give it one, unique in the pipeline: "name: every hour".',
    );
    return null;
  }
  const environments = entry.texts('envs');
  if (environments.length > 0 && !environments.includes(env.ENV ?? 'prod')) return null;

  const problems: DefinitionProblem[] = [];
  const fields = entry.reportingTo(problemsOf(entry.problems.file, problems));
  fields.warnOfSlips(triggerKeys);
  const timezone = readTimezone(fields);
  const type = fields.oneOf('schedule_type', ['time', 'api', 'event']) ?? 'time';
  const definition: TriggerDefinition = {
    pipelineUuid,
    name,
    description: fields.text('description'),
    type,
    status: fields.oneOf('status', ['active', 'inactive']) ?? 'inactive',
    scheduleInterval: type === 'time' ? readInterval(fields, timezone) : null,
    timezone,
    startTime: readStart(fields, timezone),
    variables: readVariables(fields),
    settings: readTriggerSettings(fields),
    token: fields.text('token'),
  };
  return { definition, problems };
}

/** UTC when it names none, or none that is known. */
function readTimezone(fields: Fields): string {
  const written = fields.text('timezone');
  if (written === null || written === '') return 'UTC';
  if (isTimezone(written)) return written;
  fields.problems.error(
    fields.lineOf('timezone'),
    `"${written}" is not a time zone that is known here. Write a name like Europe/Berlin, or UTC.`,
  );
  return 'UTC';
}

function readInterval(fields: Fields, timezone: string): string | null {
  const written = fields.text('schedule_interval')?.trim();
  const line = fields.lineOf('schedule_interval');
  if (!written) {
    fields.problems.error(
      line,
      'This time trigger has no schedule_interval. Add one: "schedule_interval: \'@hourly\'", or a cron expression.',
    );
    return null;
  }
  const parts = written.split(/\s+/).length;
  const problem = scheduleProblem(written, parts, timezone);
  if (problem !== null) {
    fields.problems.error(line, problem);
    return null;
  }
  if (parts === 6) {
    fields.problems.warning(
      line,
      `"${written}" has six fields: the first is read as seconds, whereas Mage reads the last as seconds. Write five fields unless you mean seconds first.`,
    );
  }
  return written;
}

function scheduleProblem(written: string, parts: number, timezone: string): string | null {
  if (/^@(once|hourly|daily|weekly|monthly|always_on)$/.test(written)) return null;
  // The cron library knows more names, and patterns with a year: neither is part of the format.
  if (parts < 5 || parts > 6) return `"${written}" is not a schedule. Use ${intervals}.`;
  return intervalProblem(written, timezone);
}

const intervals = '@once, @hourly, @daily, @weekly, @monthly, @always_on, or a cron expression of five fields';

function readStart(fields: Fields, timezone: string): Date | null {
  const written = fields.text('start_time');
  if (written === null || written === '') return null;
  const start = readStartTime(written, timezone);
  if (start === null) {
    fields.problems.error(
      fields.lineOf('start_time'),
      `"${written}" is not a time. Write it like 2024-05-01 09:30:00, with or without an offset.`,
    );
  }
  return start;
}

function readVariables(fields: Fields): JsonObject {
  const variables = fields.json('variables');
  const bytes = Buffer.byteLength(JSON.stringify(variables));
  if (bytes <= maxVariableBytes) return variables;
  fields.problems.error(
    fields.lineOf('variables'),
    `The variables take ${bytes} bytes as JSON, and ${maxVariableBytes} are allowed. Keep the data in a file and name the file here.`,
  );
  return {};
}
