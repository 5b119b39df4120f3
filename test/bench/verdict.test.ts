import { describe, expect, test } from 'vitest';
import { judge, median, type Round, steadyRounds } from './verdict.ts';

function round(probeMs: number, values: Readonly<Record<string, number>>): Round {
  const samples = Object.entries(values).map(([name, value]) => [
    name,
    { value, cpuMicrosPerOperation: null, peakRssBytes: null, raw: {} },
  ]);
  return { probeMs, samples: Object.fromEntries(samples) };
}

describe('somebody who recomputes a verdict from the raw rounds', () => {
  test('takes the middle value, and between two middle ones their mean', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
    expect(() => median([])).toThrow('no median');
  });

  test('drops the rounds in which a commit cost more than twice or less than half of the usual', () => {
    expect(steadyRounds([1, 1.1, 0.9, 2.3, 0.45, 1, 2])).toEqual([true, true, true, false, false, true, true]);
  });

  test('does not let one odd first round throw out all that follow', () => {
    expect(steadyRounds([10, 1, 1, 1])).toEqual([false, true, true, true]);
  });

  test('compares medians of the rounds that count, and misses a target by a hair', () => {
    const rounds = [
      round(1, { ours: 61, peer: 100 }),
      round(1, { ours: 10, peer: 100 }),
      round(1, { ours: 70, peer: 100 }),
      round(9, { ours: 1, peer: 100 }),
    ];
    const verdict = judge(rounds, 'ours', [{ name: 'peer', target: 0.6 }], 'lower');
    expect(verdict.ours).toBe(61);
    expect(verdict.peers).toEqual([{ name: 'peer', value: 100, ratio: 0.61, target: 0.6, met: false }]);
  });

  test('knows that more items per second is better', () => {
    const rounds = [round(1, { ours: 4000, peer: 1000 })];
    expect(judge(rounds, 'ours', [{ name: 'peer', target: 4 }], 'higher').peers[0]?.met).toBe(true);
    expect(judge(rounds, 'ours', [{ name: 'peer', target: 4.01 }], 'higher').peers[0]?.met).toBe(false);
  });

  test('is told when a contender has no figure, instead of getting a verdict without it', () => {
    expect(() => judge([round(1, { ours: 1 })], 'ours', [{ name: 'peer', target: 1 }], 'lower')).toThrow('"peer"');
  });
});
