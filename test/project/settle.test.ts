import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { settle } from '../../src/project/settle.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function settled() {
  const call = vi.fn();
  return { call, ...settle(call, { quietMs: 100, longestWaitMs: 350 }) };
}

test('a burst of events is one call, once it is over', () => {
  const { call, note } = settled();
  for (let i = 0; i < 3; i++) {
    note();
    vi.advanceTimersByTime(99);
  }
  expect(call).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(call).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(10_000);
  expect(call).toHaveBeenCalledTimes(1);
});

test('events that never rest are told at least that often', () => {
  const { call, note } = settled();
  for (let at = 0; at < 1050; at += 50) {
    note();
    vi.advanceTimersByTime(50);
  }
  expect(call).toHaveBeenCalledTimes(3);
});

test('after it was forgotten nothing is told', () => {
  const { call, note, forget } = settled();
  note();
  forget();
  vi.advanceTimersByTime(10_000);
  expect(call).not.toHaveBeenCalled();
});
