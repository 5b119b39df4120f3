import type { Benchmark } from './benchmark.ts';
import { judge, probeTolerance, type Round, type Sample, steadyRounds, type Verdict } from './verdict.ts';

/** A benchmark with all that was measured. */
export type Result = {
  readonly benchmark: Benchmark;
  readonly rounds: readonly Round[];
  readonly verdict: Verdict;
  /** False when too few rounds met a quiet machine: the verdict then stands on fewer rounds than it should. */
  readonly steady: boolean;
};

export type Machine = {
  readonly date: Date;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
};

/** Judges the rounds of a benchmark; `wanted` is the number of rounds that should count. */
export function resultOf(benchmark: Benchmark, rounds: readonly Round[], wanted: number): Result {
  const targets = benchmark.peers.map(({ contender, target }) => ({ name: contender.name, target }));
  const counted = steadyRounds(rounds.map((round) => round.probeMs)).filter(Boolean).length;
  return {
    benchmark,
    rounds,
    verdict: judge(rounds, benchmark.ours.name, targets, benchmark.better),
    steady: counted >= wanted,
  };
}

/** The result as one line of JSON, rounds that were discarded included. */
export function jsonLine({ benchmark, rounds, verdict, steady }: Result): string {
  const kept = steadyRounds(rounds.map((round) => round.probeMs));
  return JSON.stringify(
    {
      name: benchmark.name,
      unit: benchmark.unit,
      better: benchmark.better,
      ...verdict,
      steady,
      rounds: rounds.map((round, index) => ({ discarded: !kept[index], ...round })),
    },
    (_key, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value),
  );
}

/** The result for the terminal: the medians, their ratios and whether the targets are met. */
export function summary({ benchmark, rounds, verdict, steady }: Result): string {
  const compare = benchmark.better === 'lower' ? '≤' : '≥';
  const peers = verdict.peers.map(
    (peer) =>
      `  ${peer.met ? 'met   ' : 'MISSED'}  ${show(peer.ratio)} × ${peer.name} (${show(peer.value)}), target ${compare} ${peer.target}`,
  );
  const discarded = rounds.length - steadyRounds(rounds.map((round) => round.probeMs)).filter(Boolean).length;
  const notes = [
    ...(discarded > 0
      ? [`  ${discarded} of ${rounds.length} rounds discarded: their probe was off by more than ${probeTolerance}×`]
      : []),
    ...(steady ? [] : ['  too few rounds count: this machine was not quiet']),
  ];
  return [`${benchmark.name}: ${show(verdict.ours)} ${benchmark.unit}`, ...peers, ...notes].join('\n');
}

/**
 * The whole of results.md: what was measured now, and of the benchmarks that were not, the sections that `before` has of them. `names`
 * are all benchmarks, in order; a section of none of them is dropped.
 */
export function markdown(
  results: readonly Result[],
  machine: Machine,
  names: readonly string[],
  before: string,
): string {
  const fresh = new Map(results.map((result) => [result.benchmark.name, section(result, machine).join('\n')]));
  const kept = new Map(before.split(/^(?=## )/m).map((text) => [text.match(/^## (.*)$/m)?.[1], text]));
  return [
    '<!-- Written by `npm run bench`; never edited. -->',
    '# Benchmark results',
    '',
    'Absolute figures belong to the machine; the ratios are the result. Contenders are measured in turn, and each value of the first',
    'tables is the median over the rounds that count. Before each round a probe commits 200 single rows; a round whose probe is more',
    `than ${probeTolerance}× off the median of all probes does not count. CPU time is that of a contender's processes and of Postgres during its`,
    'turns, where it uses Postgres; memory is the sum of the peak resident memory of its own processes, without Postgres.',
    '',
    names.map((name) => fresh.get(name) ?? kept.get(name) ?? '').join(''),
  ].join('\n');
}

function describe({ date, cpu, cores, memoryBytes, system, node, postgres }: Machine): string {
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `${date.toISOString().slice(0, 10)} · ${cores} × ${cpu}, ${memory} · ${system} · Node ${node} · Postgres ${postgres} (embedded, on disk, fsync on)`;
}

function section(result: Result, machine: Machine): string[] {
  const { benchmark, rounds, verdict } = result;
  const compare = benchmark.better === 'lower' ? '≤' : '≥';
  return [
    `## ${benchmark.name}`,
    '',
    benchmark.about,
    '',
    describe(machine),
    '',
    `| | ${benchmark.unit} | ours ÷ it | target | |`,
    '|---|--:|--:|--:|---|',
    `| ${benchmark.ours.name} | ${show(verdict.ours)} | | | |`,
    ...verdict.peers.map(
      (peer) =>
        `| ${peer.name} | ${show(peer.value)} | ${show(peer.ratio)} | ${compare} ${peer.target} | ${peer.met ? 'met' : '**missed**'} |`,
    ),
    '',
    ...(result.steady ? [] : ['Too few rounds count: the machine was not quiet.', '']),
    '| round | commit, ms | contender | value | CPU µs per operation | peak memory, MB | raw |',
    '|--:|--:|---|--:|--:|--:|---|',
    ...rounds.flatMap((round, index) => roundRows(round, index, rounds)),
    '',
    '',
  ];
}

function roundRows(round: Round, index: number, rounds: readonly Round[]): string[] {
  const kept = steadyRounds(rounds.map(({ probeMs }) => probeMs))[index];
  const label = kept ? `${index + 1}` : `${index + 1} (discarded)`;
  return Object.entries(round.samples).map(([name, sample]) => {
    const { value, cpu, memory, raw } = cells(sample);
    return `| ${label} | ${round.probeMs.toFixed(3)} | ${name} | ${value} | ${cpu} | ${memory} | ${raw} |`;
  });
}

function cells(sample: Sample) {
  const unknown = '–';
  return {
    value: show(sample.value),
    cpu: sample.cpuMicrosPerOperation === null ? unknown : sample.cpuMicrosPerOperation.toFixed(0),
    memory: sample.peakRssBytes === null ? unknown : (sample.peakRssBytes / 1e6).toFixed(0),
    raw: Object.entries(sample.raw)
      .map(([name, figures]) => `${name}: ${[figures].flat().map(show).join(' ')}`)
      .join('; '),
  };
}

/** Three digits, and all of a larger number's whole ones. */
function show(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
