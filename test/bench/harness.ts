import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark, Contender, Ground, RunningContender } from './benchmark.ts';
import type { Probe } from './probe.ts';
import { type Usage, usageOfTree } from './usage.ts';
import { type Round, type Sample, steadyRounds } from './verdict.ts';

export type HarnessOptions = {
  /** Rounds that must count. */
  readonly rounds: number;
  /** Rounds that may be run until so many count: an unquiet machine gets a second chance, not an endless one. */
  readonly maxRounds: number;
  /** Pause after each contender's turn: what it leaves running (writing back, cleaning up) shall not meet the next one. */
  readonly settleMs: number;
  /** Pid of the shared Postgres. */
  readonly postgresPid: number;
  readonly ground: Ground;
  readonly probe: Probe;
  /** Ends the benchmark, and with it every process that it started. */
  readonly signal: AbortSignal;
  /** Told what happens, line by line. */
  readonly say: (line: string) => void;
};

/**
 * Starts all contenders of a benchmark, then measures them in turn, A B C A B C, with a probe before each round.
 * Returns every round, those that don't count too. Rejects when a contender fails; ends all of them in any case.
 */
export async function runBenchmark(benchmark: Benchmark, options: HarnessOptions): Promise<readonly Round[]> {
  const { ground, probe, say, signal } = options;
  const contenders = [benchmark.ours, ...benchmark.peers.map((peer) => peer.contender)];
  const running: [Contender, RunningContender][] = [];
  try {
    for (const contender of contenders) {
      signal.throwIfAborted();
      say(`${benchmark.name}: starting and warming ${contender.name}`);
      running.push([contender, await contender.start(ground)]);
    }
    const rounds: Round[] = [];
    while (countedRounds(rounds) < options.rounds && rounds.length < options.maxRounds) {
      const probeMs = await probe.measure();
      const samples: Record<string, Sample> = {};
      for (const [contender, process] of running) {
        samples[contender.name] = await unlessAborted(signal, measure(contender, process, options.postgresPid));
        await sleep(options.settleMs, undefined, { signal });
      }
      rounds.push({ probeMs, samples });
      say(`${benchmark.name}: round ${rounds.length}: ${describe(rounds.at(-1)!)}`);
    }
    return rounds;
  } finally {
    await Promise.allSettled(running.map(([, process]) => process.stop()));
  }
}

/** Rejects at once when the signal fires; the work is then ended by stopping its contender. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    work.catch(() => {});
  }
}

function countedRounds(rounds: readonly Round[]): number {
  return steadyRounds(rounds.map((round) => round.probeMs)).filter(Boolean).length;
}

async function measure(contender: Contender, running: RunningContender, postgresPid: number): Promise<Sample> {
  const trees = contender.usesPostgres ? [running.pid, postgresPid] : [running.pid];
  const before = trees.map(usageOfTree);
  const { value, operations, raw } = await running.measure();
  const after = trees.map(usageOfTree);
  const cpuMicros = sum(after.map((usage, index) => spentBetween(before[index] ?? null, usage)));
  return {
    value,
    cpuMicrosPerOperation: cpuMicros === null ? null : cpuMicros / operations,
    peakRssBytes: after[0]?.peakRssBytes ?? null,
    raw,
  };
}

function spentBetween(before: Usage | null, after: Usage | null): number | null {
  return before === null || after === null ? null : after.cpuMicros - before.cpuMicros;
}

function sum(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>((total, value) => (total === null || value === null ? null : total + value), 0);
}

function describe(round: Round): string {
  const values = Object.entries(round.samples).map(([name, sample]) => `${name} ${sample.value.toPrecision(4)}`);
  return [`commit ${round.probeMs.toFixed(2)} ms`, ...values].join(', ');
}
