import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { check } from './check.ts';
import type { Evidence, Saying, Violation } from './evidence.ts';
import { type Mischief, type MischiefFigures, makeMischief } from './mischief.ts';
import type { PenstockProcess } from './penstock-process.ts';
import type { BlockMs } from './project.ts';
import { randomOf } from './random.ts';
import { readEvidence } from './read-evidence.ts';
import { drive, type TrafficFigures } from './traffic.ts';
import { openWorld, type World } from './world.ts';

export type ChaosPlan = {
  readonly seed: number;
  /** It ends when so many block runs were asked for, or after so long. */
  readonly blocks: number;
  readonly ms: number;
  readonly schedulers: number;
  readonly workers: number;
  readonly blockMs: BlockMs;
  readonly runsAtOnce: number;
  /** How often a run is cancelled, for each run that is triggered or looked for. */
  readonly cancelShare: number;
  /** Only these, where not everything. */
  readonly kinds?: readonly Mischief[];
  readonly pauseMs: readonly [from: number, to: number];
  readonly stopMs: readonly [from: number, to: number];
  /** Done to the world before anything runs. */
  readonly prepare?: (world: World) => Promise<void>;
  readonly say: (line: string) => void;
};

export type ChaosReport = {
  readonly violations: readonly Violation[];
  readonly traffic: TrafficFigures;
  readonly mischief: MischiefFigures;
  /** Processes that ended without having been killed. */
  readonly deserters: readonly string[];
  readonly cuts: number;
  /** Deadlocks that Postgres had to break. */
  readonly deadlocks: number;
  readonly attempts: number;
  readonly lost: number;
  /** What blocks, and what is attached to them, said of themselves, and how often. */
  readonly heard: Readonly<Partial<Record<Saying, number>>>;
};

/** How long what was begun may take to end once everything is left in peace, in milliseconds. */
const settleMs = 90_000;

/** Lets traffic and mischief loose on a world of their own, waits until every run has ended, and checks what is left behind. */
export async function wreakHavoc(plan: ChaosPlan): Promise<ChaosReport> {
  const world = await openWorld(plan);
  try {
    await plan.prepare?.(world);
    const over = new AbortController();
    const deadline = setTimeout(() => over.abort(), plan.ms);
    const mischiefPlan = { ...plan, random: randomOf(plan.seed), signal: over.signal };
    const mischief = makeMischief(world, mischiefPlan);
    const stop = () => over.abort();
    mischief.catch(stop);
    const traffic = await drive(world.ask, {
      name: 'chaos',
      ...{ pipelines: world.pipelines, blocks: plan.blocks, runsAtOnce: plan.runsAtOnce },
      ...{ cancelShare: plan.cancelShare, retryShare: 0.5, random: randomOf(plan.seed + 1), signal: over.signal },
    }).finally(stop);
    clearTimeout(deadline);
    const done = await mischief;
    await settled(world);
    const evidence = await readEvidence(world.postgres.connection, world.journal);
    return reportOf(world, traffic, done, evidence);
  } finally {
    await world.close();
  }
}

/** Waits until every run and batch has ended; what has not by then is lost, and the checker says so. */
export async function settled(world: World): Promise<void> {
  const giveUpAt = performance.now() + settleMs;
  while (performance.now() < giveUpAt) {
    const { rows } = await world.sql(
      `select exists (select from pipeline_run where status in ('initial', 'running'))
           or exists (select from batch_operation where status = 'running') as open`,
    );
    if (!rows[0].open) return;
    await pause(100);
  }
}

function reportOf(world: World, traffic: TrafficFigures, mischief: MischiefFigures, evidence: Evidence): ChaosReport {
  return {
    violations: check(evidence),
    traffic,
    mischief,
    deserters: world
      .crew()
      .filter((member) => member.ending() !== null)
      .map((member) => `${member.role} ${member.pid}: ${member.ending()}\n${lastWords(world, member)}`),
    cuts: world.proxies().reduce((sum, proxy) => sum + proxy.cuts(), 0),
    deadlocks: countDeadlocks(world),
    attempts: evidence.attempts.length,
    lost: evidence.events.filter((event) => event.kind === 'block_worker_lost').length,
    heard: Object.fromEntries(
      [...Map.groupBy(evidence.journal, (line) => line.what)].map(([what, lines]) => [what, lines.length]),
    ),
  };
}

/** By Postgres' own log: its counters begin anew after a crash. */
function countDeadlocks(world: World): number {
  const log = readFileSync(join(world.directory, 'postgres/postgres/postgres.log'), 'utf8');
  return log.split('deadlock detected').length - 1;
}

/** What a process said last, for whoever wonders why it ended. */
function lastWords(world: World, { role, pid }: PenstockProcess): string {
  const lines = readFileSync(world.log, 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith(`${role} ${pid}: `))
    .slice(-60)
    .join('\n');
}
