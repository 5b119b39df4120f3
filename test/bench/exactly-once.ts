import { setTimeout as pause } from 'node:timers/promises';
import { settled } from '../chaos/chaos.ts';
import { check } from '../chaos/check.ts';
import { makeMischief } from '../chaos/mischief.ts';
import { randomOf } from '../chaos/random.ts';
import { readEvidence } from '../chaos/read-evidence.ts';
import { drive } from '../chaos/traffic.ts';
import { openWorld, type World } from '../chaos/world.ts';
import type { Benchmark, Contender, Figures } from './benchmark.ts';

export type ExactlyOnceSizes = {
  readonly workers: number;
  /** Block runs that are asked for in a round; those of retries come on top. */
  readonly blocks: number;
  readonly runsAtOnce: number;
};

export const exactlyOnceSizes: ExactlyOnceSizes = { workers: 20, blocks: 10_000, runsAtOnce: 40 };

/** Benchmark 6: what being killed, stopped and cut all the time costs, with nothing lost or done twice. */
export function exactlyOnce(sizes: ExactlyOnceSizes): Benchmark {
  const { workers, blocks } = sizes;
  return {
    name: 'exactly-once',
    about: `${blocks} block runs of 5–50 ms on ${workers} worker processes, about 30 % of the runs cancelled and many of those retried, while about every other second a worker or scheduler is killed, stopped for 1–8 s or cut off at a COMMIT, or sessions are terminated: block runs asked for per second, from the first mutation until every run has ended. After each round the replayed history and a file that the blocks wrote are checked; one illegal or doubled transition, one run that is lost, and there is no figure. Beside it: the same in peace.`,
    unit: 'blocks/s',
    better: 'higher',
    ours: contender('Penstock under attack', sizes, true),
    peers: [{ target: 0.8, contender: contender('the same in peace', sizes, false) }],
  };
}

function contender(name: string, sizes: ExactlyOnceSizes, underAttack: boolean): Contender {
  return {
    name,
    // A Postgres of its own, in the same process tree.
    usesPostgres: false,
    installedSeparately: false,
    start: async (ground) => {
      const place = await ground.directory('world');
      const world = await openWorld({ schedulers: 2, workers: sizes.workers, blockMs: [5, 50], place });
      let rounds = 0;
      const measure = () => measureRound(world, sizes, underAttack, ++rounds);
      try {
        await measureRound(world, { ...sizes, blocks: Math.ceil(sizes.blocks / 20) }, false, 0);
      } catch (error) {
        await world.close();
        throw error;
      }
      return { pid: process.pid, measure, stop: world.close };
    },
  };
}

async function measureRound(
  world: World,
  sizes: ExactlyOnceSizes,
  underAttack: boolean,
  round: number,
): Promise<Figures> {
  const over = new AbortController();
  const mischief = underAttack
    ? makeMischief(world, {
        random: randomOf(round),
        // Postgres itself is left in peace: what its restarts cost is no cost of doing things once.
        kinds: ['kill_worker', 'kill_scheduler', 'stop', 'terminate_sessions', 'cut_at_commit'],
        pauseMs: [1000, 3000],
        stopMs: [1000, 8000],
        signal: over.signal,
        say: () => {},
      })
    : pause(0).then(() => null);
  mischief.catch(() => over.abort());
  const begun = performance.now();
  const traffic = await drive(world.ask, {
    name: `round-${round}`,
    pipelines: world.pipelines,
    blocks: sizes.blocks,
    runsAtOnce: sizes.runsAtOnce,
    cancelShare: 0.3,
    retryShare: 0.5,
    random: randomOf(1000 + round),
    signal: over.signal,
  });
  await settled(world);
  const seconds = (performance.now() - begun) / 1000;
  over.abort();
  const done = await mischief;
  const evidence = await readEvidence(world.postgres.connection, world.journal);
  const violations = check(evidence);
  if (violations.length > 0 || traffic.blocks < sizes.blocks)
    throw new Error(`${violations.length} violations: ${violations[0]?.message ?? 'the traffic stopped'}`);
  const { runs, blocks, cancels, retries } = traffic;
  return {
    value: blocks / seconds,
    operations: blocks,
    raw: { runs, blocks, cancels, retries, attempts: evidence.attempts.length, ...done },
  };
}
