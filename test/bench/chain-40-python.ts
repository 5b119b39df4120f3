import type { Benchmark } from './benchmark.ts';
import type { ChainSizes } from './chain-40.ts';
import { medianWallMs, ours } from './ours.ts';
import { chainProject } from './projects.ts';

/** Benchmark 1 with Python blocks, which fork from a warm interpreter, beside our own TypeScript blocks in their pool. */
export function chain40Python({ steps, perRound, warmUps, proof }: ChainSizes): Benchmark {
  const round = { runs: perRound, warmUps, value: medianWallMs };
  return {
    name: 'chain-40-python',
    about: `One run of ${steps} Python blocks in a chain that do nothing, beside the same chain of TypeScript blocks on a second server. Both from just before the GraphQL mutation is sent to the subscription's message that the run is completed.`,
    unit: 'ms per run',
    better: 'lower',
    ours: ours('Penstock, Python blocks', chainProject('python', steps, proof), round),
    peers: [
      {
        target: 3,
        contender: ours('Penstock, TypeScript blocks', chainProject('typescript', steps, proof), round),
      },
    ],
  };
}
