import type { Direction } from './verdict.ts';

/** The ground that all contenders of a benchmark share: one Postgres, one disk. */
export type Ground = {
  /** An empty directory of one's own, on the disk that Postgres is on. */
  readonly directory: (name: string) => Promise<string>;
  /** URL of a fresh, empty database on the shared Postgres. */
  readonly database: (name: string) => Promise<string>;
};

/** What a contender reports of one round. */
export type Figures = {
  /** The headline figure, in the benchmark's unit. */
  readonly value: number;
  /** Steps or items done in the round: what CPU time is divided by. */
  readonly operations: number;
  readonly raw: Readonly<Record<string, number | readonly number[]>>;
};

/** One of those that are measured. Everything that a newcomer's first run pays once (start, JIT, caches) belongs into `start`. */
export type Contender = {
  readonly name: string;
  /** True when its work is done in the shared Postgres, so that Postgres' CPU time during its rounds is its own. */
  readonly usesPostgres: boolean;
  /** True when it needs the packages of peers/package.json. */
  readonly installedSeparately: boolean;
  /** Starts it and warms it up. */
  readonly start: (ground: Ground) => Promise<RunningContender>;
};

export type RunningContender = {
  /** Root of its process tree. */
  readonly pid: number;
  /** Does one round's work and proves that it was done; rejects when anything is missing. */
  readonly measure: () => Promise<Figures>;
  /** Ends every process that it started. */
  readonly stop: () => Promise<void>;
};

export type Benchmark = {
  readonly name: string;
  /** What is measured, from which moment to which, in a sentence or two for the reader of the results. */
  readonly about: string;
  readonly unit: string;
  readonly better: Direction;
  readonly ours: Contender;
  readonly peers: readonly { readonly contender: Contender; readonly target: number }[];
};
