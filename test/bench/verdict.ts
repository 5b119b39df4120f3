/**
 * From raw figures to a verdict, and nothing else: anybody who has the rounds of a results file can repeat it.
 */

/** What one contender did in one round. */
export type Sample = {
  /** The headline figure, in the benchmark's unit. */
  readonly value: number;
  /** CPU time of the contender's processes (and of Postgres, where it uses it) per operation; null where /proc can't tell. */
  readonly cpuMicrosPerOperation: number | null;
  /** Sum of the peak resident memory of the contender's own processes, Postgres left out; null where /proc can't tell. */
  readonly peakRssBytes: number | null;
  /** The single measurements behind `value`, and whatever else was measured beside it. */
  readonly raw: Readonly<Record<string, number | readonly number[]>>;
};

export type Round = {
  /** Mean time of one single-row commit just before the round, in milliseconds. */
  readonly probeMs: number;
  /** By the contender's name. */
  readonly samples: Readonly<Record<string, Sample>>;
};

/** Whether a smaller value or a larger one wins; a target is an upper bound of the ratio or a lower one accordingly. */
export type Direction = 'lower' | 'higher';

export type PeerTarget = {
  readonly name: string;
  /** Bound of ours ÷ the peer's. */
  readonly target: number;
};

export type PeerVerdict = PeerTarget & {
  readonly value: number;
  readonly ratio: number;
  readonly met: boolean;
};

export type Verdict = {
  readonly ours: number;
  readonly peers: readonly PeerVerdict[];
};

/** A round whose probe is this many times faster or slower than the median of all probes says more about the machine than about us. */
export const probeTolerance = 2;

/** The middle value; the mean of the two middle ones for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  if (upper === undefined) throw new Error('There is no median of nothing.');
  const lower = sorted[(sorted.length - 1) >> 1] ?? upper;
  return (lower + upper) / 2;
}

/** Which rounds count: true where the probe stayed within `probeTolerance` of the median of all probes, discarded ones included. */
export function steadyRounds(probes: readonly number[]): readonly boolean[] {
  if (probes.length === 0) return [];
  const middle = median(probes);
  return probes.map((probe) => probe <= middle * probeTolerance && probe >= middle / probeTolerance);
}

/** Medians over the rounds that count, and how they compare. Throws when no round counts or a contender is missing from one. */
export function judge(
  rounds: readonly Round[],
  ours: string,
  peers: readonly PeerTarget[],
  better: Direction,
): Verdict {
  const steady = steadyRounds(rounds.map((round) => round.probeMs));
  const kept = rounds.filter((_, index) => steady[index]);
  const oursMedian = median(valuesOf(kept, ours));
  return {
    ours: oursMedian,
    peers: peers.map(({ name, target }) => {
      const value = median(valuesOf(kept, name));
      const ratio = oursMedian / value;
      return { name, value, ratio, target, met: better === 'lower' ? ratio <= target : ratio >= target };
    }),
  };
}

function valuesOf(rounds: readonly Round[], name: string): number[] {
  return rounds.map((round) => {
    const sample = round.samples[name];
    if (sample === undefined) throw new Error(`A round has no sample of "${name}".`);
    return sample.value;
  });
}
