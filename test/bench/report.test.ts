import { describe, expect, test } from 'vitest';
import type { Benchmark, Contender } from './benchmark.ts';
import { jsonLine, type Machine, markdown, resultOf, summary } from './report.ts';
import type { Round } from './verdict.ts';

const contender = (name: string): Contender => ({
  name,
  usesPostgres: false,
  installedSeparately: false,
  start: () => Promise.reject(new Error('only named here')),
});

const benchmark: Benchmark = {
  name: 'chain-2',
  about: 'Two steps.',
  unit: 'ms per run',
  better: 'lower',
  ours: contender('Penstock'),
  peers: [{ contender: contender('Rival'), target: 0.6 }],
};

const sample = (value: number) => ({
  value,
  cpuMicrosPerOperation: 12.34567,
  peakRssBytes: 5e6,
  raw: { wallMs: [value, value + 1] },
});

const rounds: readonly Round[] = [
  { probeMs: 1, samples: { Penstock: sample(30), Rival: sample(50) } },
  { probeMs: 1, samples: { Penstock: sample(32), Rival: sample(50) } },
  { probeMs: 7, samples: { Penstock: sample(900), Rival: sample(50) } },
];

describe('the reader of a result', () => {
  const result = resultOf(benchmark, rounds, 2);

  test('gets one line of JSON with the verdict and the raw figures of every round', () => {
    const line = jsonLine(result);
    expect(line).not.toContain('\n');
    const { rounds: shown, ...verdict } = JSON.parse(line);
    expect(verdict).toEqual({
      name: 'chain-2',
      unit: 'ms per run',
      better: 'lower',
      ours: 31,
      peers: [{ name: 'Rival', value: 50, ratio: 0.62, target: 0.6, met: false }],
      steady: true,
    });
    expect(shown.map((round: { discarded: boolean }) => round.discarded)).toEqual([false, false, true]);
    expect(shown[0].samples.Penstock.raw.wallMs).toEqual([30, 31]);
  });

  test('is told which rounds were thrown out, and when too few are left', () => {
    expect(summary(result)).toContain('MISSED  0.62 × Rival (50), target ≤ 0.6');
    expect(summary(result)).toContain('1 of 3 rounds discarded');
    expect(summary(result)).not.toContain('too few');
    expect(summary(resultOf(benchmark, rounds, 5))).toContain('too few rounds count');
  });

  const machine: Machine = {
    date: new Date('2030-01-02T03:04:05Z'),
    cpu: 'Abacus',
    cores: 2,
    memoryBytes: 2 ** 33,
    system: 'linux 1',
    node: '24.0.0',
    postgres: '18',
  };

  test('finds machine, date, medians, ratios and every raw figure in results.md', () => {
    const page = markdown([result], machine, ['chain-2'], '');
    expect(page).toContain('2030-01-02 · 2 × Abacus, 8 GiB');
    expect(page).toContain('| Rival | 50 | 0.62 | ≤ 0.6 | **missed** |');
    expect(page).toContain('| 3 (discarded) | 7.000 | Penstock | 900 | 12 | 5 | wallMs: 900 901 |');
  });

  test('finds there what was measured before, and not again', () => {
    const other = { ...result, benchmark: { ...benchmark, name: 'fan-3' } };
    const old = { ...machine, cpu: 'Slide rule' };
    const gone = { ...result, benchmark: { ...benchmark, name: 'gone' } };
    const names = ['fan-3', 'chain-2'];
    const before = markdown([result, other, gone], old, [...names, 'gone'], '');
    const page = markdown([result], machine, names, before);
    expect(page.match(/^## .*|· 2 × [^,]*/gm)).toEqual(['## fan-3', '· 2 × Slide rule', '## chain-2', '· 2 × Abacus']);
    expect(markdown([], machine, names, page)).toBe(page);
  });
});
