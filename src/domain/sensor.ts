import type { JsonObject } from './pipeline.ts';

/** Between two calls of a sensor that doesn't say, in seconds. */
const defaultIntervalSeconds = 60;
const longestIntervalSeconds = 365 * 86_400;

/** When a sensor that said no is asked again: `configuration.interval` seconds later, 60 when that is no positive number. */
export function nextCallAt(configuration: JsonObject, now: Date): Date {
  const written = Number(configuration.interval ?? defaultIntervalSeconds);
  const seconds = written > 0 ? Math.min(written, longestIntervalSeconds) : defaultIntervalSeconds;
  return new Date(now.getTime() + seconds * 1000);
}
