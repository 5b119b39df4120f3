import { expect, test } from 'vitest';
import type { Benchmark, Contender, Ground } from './benchmark.ts';
import { runBenchmark } from './harness.ts';

const ground: Ground = {
  directory: () => Promise.reject(new Error('not needed here')),
  database: () => Promise.reject(new Error('not needed here')),
};

/** A race between contenders whose every move is written down. */
function race(probes: readonly number[], failing?: string) {
  const diary: string[] = [];
  const contender = (name: string): Contender => ({
    name,
    usesPostgres: false,
    installedSeparately: false,
    start: async () => ({
      pid: process.pid,
      measure: async () => {
        diary.push(name);
        if (name === failing) throw new Error(`${name} broke down`);
        return { value: 1, operations: 1, raw: { wallMs: [1] } };
      },
      stop: async () => {
        diary.push(`${name} stopped`);
      },
    }),
  });
  const benchmark: Benchmark = {
    name: 'race',
    about: '',
    unit: 'ms',
    better: 'lower',
    ours: contender('A'),
    peers: [{ contender: contender('B'), target: 1 }],
  };
  const left = [...probes];
  const probe = {
    measure: async () => {
      diary.push('probe');
      return left.shift() ?? 1;
    },
    close: async () => {},
  };
  const interrupt = new AbortController();
  const rounds = (wanted: number, maxRounds: number) =>
    runBenchmark(benchmark, {
      rounds: wanted,
      maxRounds,
      settleMs: 0,
      postgresPid: process.pid,
      ground,
      probe,
      signal: interrupt.signal,
      say: () => {},
    });
  return { diary, rounds, interrupt };
}

test('contenders are measured in turn, with a probe before each round, and all are stopped', async () => {
  const { diary, rounds } = race([]);
  expect(await rounds(2, 4)).toHaveLength(2);
  expect(diary).toEqual(['probe', 'A', 'B', 'probe', 'A', 'B', 'A stopped', 'B stopped']);
});

test('a round on an unquiet machine is repeated and stays in the record', async () => {
  const { rounds } = race([1, 5, 1, 1]);
  const record = await rounds(3, 6);
  expect(record.map((round) => round.probeMs)).toEqual([1, 5, 1, 1]);
});

test('a machine that never comes to rest does not keep the benchmark for ever', async () => {
  const { rounds } = race([1, 10, 100, 1000, 1e4, 1e5, 1e6]);
  expect(await rounds(3, 5)).toHaveLength(5);
});

test('when one breaks down, the others are stopped and the reader learns why', async () => {
  const { diary, rounds } = race([], 'B');
  await expect(rounds(2, 4)).rejects.toThrow('B broke down');
  expect(diary.slice(-2)).toEqual(['A stopped', 'B stopped']);
});

test('somebody who presses Ctrl-C gets everything stopped', async () => {
  const { diary, rounds, interrupt } = race([]);
  interrupt.abort(new Error('stopped by SIGINT'));
  await expect(rounds(2, 4)).rejects.toThrow('stopped by SIGINT');
  expect(diary).not.toContain('A');
});
