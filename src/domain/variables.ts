import type { Json, JsonObject } from './pipeline.ts';
import type { Interval } from './schedule.ts';

/** Names whose values are shown as `mask`: whole words inside of the name, as in DB_PASSWORD or slack-token. */
const secretWords = /(^|[^a-z])(password|secret|token|api_key|access_key|private_key)([^a-z]|$)/;
export const mask = '********';

/** At most this many bytes of JSON may be given to one run. */
export const maxVariableBytes = 64 * 1024;

/** True for a variable whose value is a secret by its name: `DB_PASSWORD`, `apiToken`, `slack-token`; not `tokenizer`. */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();
  return secretWords.test(words);
}

/** The variables as they may be shown: every secret, at any depth, is the mask. */
export function maskVariables(variables: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      isSecretName(name) && value !== null ? mask : maskValue(value),
    ]),
  );
}

function maskValue(value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => maskValue(item));
  if (value !== null && typeof value === 'object') return maskVariables(value as JsonObject);
  return value;
}

/** A shorter one can't be told from ordinary text. */
const shortestSecret = 4;

/** The texts that must not be shown, longest first: the values of secrets at any depth, and of those that have several lines each line. */
export function secretValues(variables: Json, isSecret = false): readonly string[] {
  const found = new Set<string>();
  if (variables !== null && typeof variables === 'object') {
    for (const [name, value] of Object.entries(variables)) {
      const isOne = isSecret || (!Array.isArray(variables) && isSecretName(name));
      for (const text of secretValues(value as Json, isOne)) found.add(text);
    }
  } else if (isSecret && (typeof variables === 'string' || typeof variables === 'number')) {
    const text = String(variables);
    for (const one of [text, ...text.split('\n').map((line) => line.trim())]) found.add(one);
  }
  return [...found].filter((text) => text.length >= shortestSecret).sort((a, b) => b.length - a.length);
}

/** A submitted value that equals its mask means unchanged: it is left out. */
export function withoutMasks(variables: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(variables).filter(([name, value]) => !(isSecretName(name) && value === mask)),
  );
}

/** Variables with others on top of them. A mask on top, at any depth, stands for what is below: the value stays, or there is none. */
export function overlaid(below: JsonObject, top: JsonObject): JsonObject {
  return { ...below, ...(unmasked(withoutMasks(top), below) as JsonObject) };
}

function unmasked(given: Json, before: Json | undefined): Json {
  if (given === null || typeof given !== 'object') return given;
  const at = (key: string) => (before !== null && typeof before === 'object' ? (before as JsonObject)[key] : undefined);
  if (Array.isArray(given)) return given.map((item: Json, index) => unmasked(item, at(String(index))));
  const entries = Object.entries(given).flatMap(([name, value]): [string, Json][] => {
    if (!(isSecretName(name) && value === mask)) return [[name, unmasked(value, at(name))]];
    const kept = at(name);
    return kept === undefined ? [] : [[name, kept]];
  });
  return Object.fromEntries(entries);
}

const shownNames = 20;
const shownCharacters = 80;

/** One sentence about variables that somebody set, for a run's history: the names, and the values cut short, secrets as the mask. */
export function describeVariables(variables: JsonObject): string {
  const all = Object.entries(maskVariables(variables)).map(([name, value]) => {
    const text = JSON.stringify(value);
    return `${name} = ${text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text}`;
  });
  const more = all.length > shownNames ? `, and ${all.length - shownNames} more` : '';
  return `Set for this retry and later ones: ${all.slice(0, shownNames).join(', ')}${more}.`;
}

/**
 * What the blocks of a run receive. Low → high: pipeline, trigger, run; then what every run is given (the logical date in
 * its forms, the interval, the names). `env` is 'prod' or ENV unless somebody gave it.
 */
export function resolveVariables(given: {
  readonly pipeline: JsonObject;
  readonly trigger: JsonObject;
  readonly run: JsonObject;
  readonly event: JsonObject | null;
  readonly env: string;
  readonly executionDate: Date;
  readonly timezone: string;
  readonly interval: Interval | null;
  readonly triggerId: bigint | null;
  readonly triggerName: string | null;
}): JsonObject {
  const written = overlaid(overlaid(given.pipeline, given.trigger), given.run);
  const local = inZone(given.executionDate, given.timezone);
  const partition = given.executionDate.toISOString().replaceAll(/[-:]/g, '').replace('.', '_').replace('Z', '000');
  return {
    ...(given.event ?? {}),
    env: given.env,
    ...written,
    event: given.event ?? {},
    ds: local.date,
    hr: local.hour,
    execution_date: given.executionDate.toISOString(),
    ...(given.interval
      ? {
          interval_start_datetime: given.interval.start.toISOString(),
          interval_end_datetime: given.interval.end?.toISOString() ?? null,
          interval_seconds: given.interval.end
            ? (given.interval.end.getTime() - given.interval.start.getTime()) / 1000
            : null,
          interval_start_datetime_previous: given.interval.previousStart?.toISOString() ?? null,
        }
      : {}),
    ...(given.triggerName === null ? {} : { trigger_name: given.triggerName }),
    execution_partition: given.triggerId === null ? partition : `${given.triggerId}/${partition}`,
  };
}

/** Making a formatter takes a millisecond or two: one per zone. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function inZone(at: Date, timezone: string): { readonly date: string; readonly hour: string } {
  if (timezone === 'UTC') return { date: at.toISOString().slice(0, 10), hour: at.toISOString().slice(11, 13) };
  const formatter = formatters.get(timezone) ?? dateAndHourIn(timezone);
  formatters.set(timezone, formatter);
  const parts = formatter.formatToParts(at);
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? '';
  return { date: `${part('year')}-${part('month')}-${part('day')}`, hour: part('hour') };
}

function dateAndHourIn(timezone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  });
}
