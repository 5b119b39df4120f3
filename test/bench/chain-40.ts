import type { Benchmark } from './benchmark.ts';
import { medianWallMs, ours } from './ours.ts';
import { peerContender } from './peers/peer-process.ts';
import { chainProject } from './projects.ts';

export type ChainSizes = {
  /** Blocks in the chain. */
  readonly steps: number;
  /** Chains in one round; the round's value is their median. */
  readonly perRound: number;
  /** Chains before the first round: Node's compiler takes about twenty to come to rest. */
  readonly warmUps: number;
  /** File that each of our blocks appends a line to; only tests ask for it. */
  readonly proof?: string;
};

export const chainSizes: ChainSizes = { steps: 40, perRound: 20, warmUps: 40 };

/** Benchmark 1: what one step of a chain costs beside the two fastest durable steps that npm has. */
export function chain40({ steps, perRound, warmUps, proof }: ChainSizes): Benchmark {
  return {
    name: 'chain-40',
    about: `One run of ${steps} TypeScript blocks in a chain that do nothing, in the process pool, with events, attempts and logs. Ours: from just before the GraphQL mutation is sent to the subscription's message that the run is completed. Restate: ${steps} ctx.run steps, from the ingress call to its answer. graphile-worker: from addJob of the first job to the start of the last handler, each handler adds the next job; its clock and its client are inside the worker's process.`,
    unit: 'ms per run',
    better: 'lower',
    ours: ours('Penstock', chainProject('typescript', steps, proof), { runs: perRound, warmUps, value: medianWallMs }),
    peers: [
      {
        target: 0.6,
        contender: peerContender({
          name: 'graphile-worker',
          program: 'graphile-worker.ts',
          usesPostgres: true,
          installedSeparately: true,
          size: steps,
          perRound,
          warmUps,
        }),
      },
      {
        target: 0.7,
        contender: peerContender({
          name: 'Restate',
          program: 'restate.ts',
          usesPostgres: false,
          installedSeparately: true,
          size: steps,
          perRound,
          warmUps,
        }),
      },
    ],
  };
}
