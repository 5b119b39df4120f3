const pattern =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|z|[-+]\d{2}:?\d{2})?$/;

const dayMs = 86_400_000;

/**
 * Reads '2024-05-01 09:30:00' and the like. Without an offset it is that zone's clock: inside a gap the first instant after it,
 * in a repeated hour the first. Null when it is no such text or no such day. The zone must be a known one.
 */
export function readStartTime(text: string, timezone: string): Date | null {
  const match = pattern.exec(text.trim());
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const milliseconds = Number(`0.${match[7] ?? 0}`) * 1000;
  const clock = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!, Math.floor(milliseconds));
  const readBack = new Date(clock);
  const isReal =
    readBack.getUTCMonth() === month! - 1 &&
    readBack.getUTCDate() === day! &&
    hour! < 24 &&
    minute! < 60 &&
    second! < 60;
  if (!isReal) return null;
  return new Date(match[8] === undefined ? instantOf(clock, timezone) : clock - offsetOf(match[8]));
}

function offsetOf(text: string): number {
  if (text.toUpperCase() === 'Z') return 0;
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(-2))];
  return (text[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** The instant at which clocks of the zone show `clock` (a wall time written as if it were UTC). */
function instantOf(clock: number, timezone: string): number {
  const before = clock - zoneOffset(clock - dayMs, timezone);
  const after = clock - zoneOffset(clock + dayMs, timezone);
  const shows = (instant: number) => instant + zoneOffset(instant, timezone) === clock;
  const matching = [before, after].filter(shows);
  if (matching.length > 0) return Math.min(...matching);
  // No clock ever shows it. The change lies between the two guesses: find its instant.
  let [low, high] = [Math.min(before, after) - 1, Math.max(before, after)];
  const earlier = zoneOffset(low, timezone);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zoneOffset(middle, timezone) === earlier) low = middle;
    else high = middle;
  }
  return high;
}

function zoneOffset(instant: number, timezone: string): number {
  const whole = Math.floor(instant / 1000) * 1000;
  const parts = clockOf(timezone).formatToParts(whole);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const shown = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return shown - whole;
}

/** Making one is slow, and most triggers share a zone. There are some 600 zones at most. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError for a zone that is not known. */
function clockOf(timezone: string): Intl.DateTimeFormat {
  const known = clocks.get(timezone);
  if (known) return known;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  clocks.set(timezone, clock);
  return clock;
}

/** True for a name of the time zone database that this machine knows. */
export function isTimezone(name: string): boolean {
  try {
    clockOf(name);
    return true;
  } catch {
    return false;
  }
}
