import type { Figures } from '../benchmark.ts';

/**
 * A peer is a program in a process of its own, so that its CPU time and memory are its own, and so that its packages never
 * meet ours. The benchmark forks it, waits for `ready`, and asks for one round at a time.
 */
export type PeerRequest = 'measure' | 'stop';

export type PeerReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'measured'; readonly figures: Figures }
  | { readonly kind: 'failed'; readonly message: string };

/** What every peer is told at its start, as JSON in its first argument. */
export type PeerSettings = {
  readonly databaseUrl: string;
  /** An empty directory on the disk that Postgres is on. */
  readonly directory: string;
  /** Steps of a chain or items of a fan. */
  readonly size: number;
  /** Chains in one round, and before the first. A fan is one per round. */
  readonly perRound: number;
  readonly warmUps: number;
};

export type Peer = {
  readonly measure: () => Promise<Figures>;
  readonly stop: () => Promise<void>;
};
