import type { Benchmark } from './benchmark.ts';
import { blocksPerSecond, ours } from './ours.ts';
import { peerContender } from './peers/peer-process.ts';
import { fanProject } from './projects.ts';

export type FanSizes = {
  /** Independent blocks of the one run of a round. */
  readonly items: number;
  readonly warmUps: number;
  /** File that each of our blocks appends a line to; only tests ask for it. */
  readonly proof?: string;
};

export const fanSizes: FanSizes = { items: 5000, warmUps: 4 };

/** Benchmark 2: how fast ready blocks are handed out and finished, beside the bare limit of a queue in Postgres. */
export function fan5000({ items, warmUps, proof }: FanSizes): Benchmark {
  const fan = { usesPostgres: true, size: items, perRound: 1, warmUps };
  return {
    name: 'fan-5000',
    about: `One run of ${items} independent TypeScript blocks that do nothing, in the process pool, ten slots. Ours: from just before the GraphQL mutation is sent, so with the making of the run and its block runs, to the subscription's message that the run is completed. The peers' clocks too start before their items are made, which takes either one statement: SKIP LOCKED then claims and completes one item at a time over ten connections with nothing between (two commits an item); DBOS runs empty workflows from a queue with ten workers.`,
    unit: 'blocks per s',
    better: 'higher',
    ours: ours('Penstock', fanProject(items, proof), { runs: 1, warmUps, value: blocksPerSecond }),
    peers: [
      {
        target: 1,
        contender: peerContender({
          name: 'raw SKIP LOCKED',
          program: 'skip-locked.ts',
          installedSeparately: false,
          ...fan,
        }),
      },
      {
        target: 4,
        contender: peerContender({ name: 'DBOS queue', program: 'dbos.ts', installedSeparately: true, ...fan }),
      },
    ],
  };
}
