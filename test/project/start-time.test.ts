import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readStartTime } from '../../src/project/start-time.ts';

test.for([
  ['2024-05-01 09:30:00', 'UTC', '2024-05-01T09:30:00Z'],
  ['2024-05-01T09:30:00.250', 'UTC', '2024-05-01T09:30:00.250Z'],
  ['2024-05-01 09:30', 'Europe/Berlin', '2024-05-01T07:30:00Z'],
  ['2024-01-01', 'Asia/Kolkata', '2023-12-31T18:30:00Z'],
  ['2024-05-01 09:30:00+00:00', 'Europe/Berlin', '2024-05-01T09:30:00Z'],
  ['2024-05-01 09:30:00-0530', 'UTC', '2024-05-01T15:00:00Z'],
  // A gap: clocks went from 02:00 to 03:00. The first instant after it.
  ['2024-03-31 02:30:00', 'Europe/Berlin', '2024-03-31T01:00:00Z'],
  ['2024-03-10 02:00:00', 'America/New_York', '2024-03-10T07:00:00Z'],
  // A half-hour gap, and one at midnight.
  ['2024-10-06 02:15:00', 'Australia/Lord_Howe', '2024-10-05T15:30:00Z'],
  ['2024-04-26 00:30:00', 'Africa/Cairo', '2024-04-25T22:00:00Z'],
  // A repeated hour: the first of the two.
  ['2024-10-27 02:30:00', 'Europe/Berlin', '2024-10-27T00:30:00Z'],
  ['2024-11-03 01:30:00', 'America/New_York', '2024-11-03T05:30:00Z'],
] as const)('%s in %s is %s', ([text, timezone, instant]) => {
  expect(readStartTime(text, timezone)?.toISOString()).toBe(new Date(instant).toISOString());
});

test.for(['tomorrow', '2024-13-01', '2024-02-30 00:00:00', '2024-05-01 25:00:00', '2024-05-01 09:60:00', ''])(
  '%j is no time',
  (text) => {
    expect(readStartTime(text, 'UTC')).toBeNull();
  },
);

test('what a clock shows at an instant is read back as that instant, or as its first showing', () => {
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kolkata',
    'America/Sao_Paulo',
  ];
  const seconds = fc.integer({ min: Date.UTC(1990) / 1000, max: Date.UTC(2035) / 1000 });
  fc.assert(
    fc.property(seconds, fc.constantFrom(...zones), (second, timezone) => {
      const clock = (at: Date) => at.toLocaleString('sv-SE', { timeZone: timezone });
      const shown = clock(new Date(second * 1000));
      const found = readStartTime(shown, timezone)!;
      expect(clock(found)).toBe(shown);
      expect(found.getTime()).toBeLessThanOrEqual(second * 1000);
    }),
  );
});
