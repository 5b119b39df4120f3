import { describe, expect, test } from 'vitest';
import { dueTick, intervalProblem, nextFireTime, periodAt, type TriggerAtTick } from '../../src/domain/schedule.ts';
import { defaultTriggerSettings } from '../../src/domain/trigger.ts';

const utc = (text: string) => new Date(`${text.replace(' ', 'T')}Z`);
/** A Wednesday. */
const now = utc('2023-10-11 12:13:14');

function trigger(scheduleInterval: string, given: Partial<TriggerAtTick> = {}): TriggerAtTick {
  return {
    scheduleInterval,
    timezone: 'UTC',
    startTime: null,
    lastEnabledAt: null,
    settings: defaultTriggerSettings,
    ...given,
  };
}

describe('logical dates', () => {
  test.each([
    ['@hourly', '2023-10-11 12:00:00'],
    ['@daily', '2023-10-11 00:00:00'],
    ['@weekly', '2023-10-09 00:00:00'],
    ['@monthly', '2023-10-01 00:00:00'],
    ['*/10 * * * *', '2023-10-11 12:10:00'],
  ])('%s', (interval, expected) => {
    expect(dueTick(trigger(interval), now)?.scheduledFor).toEqual(utc(expected));
  });

  test('a fire time itself lies in the period that it begins', () => {
    expect(periodAt('@hourly', 'UTC', utc('2023-10-11 12:00:00'))?.start).toEqual(utc('2023-10-11 12:00:00'));
  });

  test('cron */10: the interval and the one before', () => {
    const period = periodAt('*/10 * * * *', 'UTC', now);
    expect(period).toEqual({
      start: utc('2023-10-11 12:10:00'),
      end: utc('2023-10-11 12:20:00'),
      previousStart: utc('2023-10-11 12:00:00'),
    });
  });

  test('a day begins at midnight of the trigger’s zone', () => {
    expect(periodAt('@daily', 'Europe/Berlin', now)?.start).toEqual(utc('2023-10-10 22:00:00'));
  });
});

describe('what is due', () => {
  test('a start_time one second ahead is not', () => {
    expect(dueTick(trigger('@hourly', { startTime: utc('2023-10-11 12:13:15') }), now)).toBeNull();
  });

  test('nor is a period that began before start_time', () => {
    expect(dueTick(trigger('@hourly', { startTime: utc('2023-10-11 12:05:00') }), now)).toBeNull();
  });

  test('last enabled after the period began: no; before: yes', () => {
    expect(dueTick(trigger('@daily', { lastEnabledAt: utc('2023-10-11 09:00:00') }), now)).toBeNull();
    expect(dueTick(trigger('@daily', { lastEnabledAt: utc('2023-10-10 09:00:00') }), now)).not.toBeNull();
  });

  test('create_initial_pipeline_run makes the present period due all the same', () => {
    const settings = { ...defaultTriggerSettings, createInitialPipelineRun: true };
    expect(dueTick(trigger('@daily', { lastEnabledAt: utc('2023-10-11 12:13:14'), settings }), now)?.key).toBe(
      '2023-10-11T00:00:00.000Z',
    );
  });

  test('@once is due for each time that it was enabled', () => {
    const once = dueTick(trigger('@once', { lastEnabledAt: utc('2023-10-11 09:00:00') }), now);
    expect(once).toEqual({ key: '2023-10-11T09:00:00.000Z', scheduledFor: now, interval: null });
  });
});

test.each([
  ['@hourly', '2023-08-19 21:00:00'],
  ['@daily', '2023-08-20 00:00:00'],
  ['@weekly', '2023-08-21 00:00:00'],
  ['@monthly', '2023-09-01 00:00:00'],
])('the next %s after 2023-08-19 20:10:15', (interval, expected) => {
  expect(nextFireTime(interval, 'UTC', utc('2023-08-19 20:10:15'))).toEqual(utc(expected));
});

test('a bad interval is told in a sentence', () => {
  expect(intervalProblem('every tuesday', 'UTC')).toContain('"every tuesday" is not a schedule');
  expect(intervalProblem('@hourly', 'Mars/Olympus')).toContain('not a time zone');
  expect(intervalProblem('*/5 * * * *', 'UTC')).toBeNull();
});
