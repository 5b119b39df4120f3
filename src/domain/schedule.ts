import { Cron } from 'croner';
import type { TriggerSettings } from './trigger.ts';

/** A period of a schedule: what `interval_*` variables say. `end` is null when the schedule knows no next period. */
export type Interval = { readonly start: Date; readonly end: Date | null; readonly previousStart: Date | null };

const namedIntervals: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@weekly': '0 0 * * 1',
  '@monthly': '0 0 1 * *',
};

/** Says what is wrong with a schedule interval or its zone, in a sentence; null when it is fine. */
export function intervalProblem(scheduleInterval: string, timezone: string): string | null {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    return `"${timezone}" is not a time zone. Use a name like Europe/Berlin, or UTC.`;
  }
  if (scheduleInterval === '@once' || scheduleInterval === '@always_on') return null;
  try {
    cron(scheduleInterval, timezone);
    return null;
  } catch (error) {
    return `"${scheduleInterval}" is not a schedule: ${error instanceof Error ? error.message : String(error)}. Use @once, @hourly, @daily, @weekly, @monthly, @always_on, or a cron expression of five fields.`;
  }
}

/** The period that `at` lies in; null for @once and @always_on, which have none. */
export function periodAt(scheduleInterval: string, timezone: string, at: Date): Interval | null {
  if (scheduleInterval === '@once' || scheduleInterval === '@always_on') return null;
  const pattern = cron(scheduleInterval, timezone);
  const [start, previousStart] = previous(pattern, at, 2);
  if (!start) return null;
  return { start, end: pattern.nextRun(at), previousStart: previousStart ?? null };
}

/** The first fire time after `at`; null when there is none. */
export function nextFireTime(scheduleInterval: string, timezone: string, at: Date): Date | null {
  if (scheduleInterval === '@once' || scheduleInterval === '@always_on') return null;
  return cron(scheduleInterval, timezone).nextRun(at);
}

/** A trigger as its due-ness is judged. */
export type TriggerAtTick = {
  readonly scheduleInterval: string | null;
  readonly timezone: string;
  readonly startTime: Date | null;
  readonly lastEnabledAt: Date | null;
  readonly settings: TriggerSettings;
};

/** A tick that is due now: its key is unique per trigger, so that it fires once whoever sees it. */
export type DueTick = { readonly key: string; readonly scheduledFor: Date; readonly interval: Interval | null };

/**
 * The tick of an active time trigger that is due at `now`, whether or not it fired already (its key tells). Due: the period's
 * start is not before start_time, and the period began after the trigger was last enabled or changed, unless the trigger asks
 * for an initial run.
 */
export function dueTick(trigger: TriggerAtTick, now: Date): DueTick | null {
  if (trigger.scheduleInterval === null || (trigger.startTime !== null && trigger.startTime > now)) return null;
  if (trigger.scheduleInterval === '@once') {
    const enabled = trigger.lastEnabledAt ?? now;
    return { key: enabled.toISOString(), scheduledFor: now, interval: null };
  }
  const interval = periodAt(trigger.scheduleInterval, trigger.timezone, now);
  if (interval === null) return null;
  if (trigger.startTime !== null && interval.start < trigger.startTime) return null;
  const sinceEnabled = trigger.lastEnabledAt === null || interval.start >= trigger.lastEnabledAt;
  if (!sinceEnabled && !trigger.settings.createInitialPipelineRun) return null;
  return { key: interval.start.toISOString(), scheduledFor: interval.start, interval };
}

function cron(scheduleInterval: string, timezone: string): Cron {
  const expression = namedIntervals[scheduleInterval] ?? scheduleInterval;
  return new Cron(expression, { timezone, paused: true });
}

/** The newest `count` fire times at or before `at`, newest first. (croner's own search leaves `at` itself out.) */
function previous(pattern: Cron, at: Date, count: number): Date[] {
  return pattern.previousRuns(count, new Date(at.getTime() + 1));
}
