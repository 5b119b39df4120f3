import { setTimeout as pause } from 'node:timers/promises';
import type { PenstockProcess, Role } from './penstock-process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** How often each kind of mischief was done. */
export type MischiefFigures = Record<Mischief, number>;

const kinds = [
  'kill_worker',
  'kill_scheduler',
  'stop',
  'terminate_sessions',
  'cut_at_commit',
  'restart_postgres',
  'crash_postgres',
] as const;
export type Mischief = (typeof kinds)[number];

/** How often each comes, one against the other. */
const shares: Readonly<Record<Mischief, number>> = {
  kill_worker: 5,
  kill_scheduler: 2,
  stop: 4,
  terminate_sessions: 4,
  cut_at_commit: 8,
  restart_postgres: 1,
  crash_postgres: 1,
};

export type MischiefPlan = {
  readonly random: Random;
  /** Only these, where not everything. */
  readonly kinds?: readonly Mischief[];
  /** Between one and the next, in milliseconds. */
  readonly pauseMs: readonly [from: number, to: number];
  /** How long a process is stopped, in milliseconds. */
  readonly stopMs: readonly [from: number, to: number];
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
};

/** Does one bad thing after the other, until it is told to stop; then everybody who was stopped goes on. */
export async function makeMischief(world: World, plan: MischiefPlan): Promise<MischiefFigures> {
  const { random, signal } = plan;
  const figures = Object.fromEntries(kinds.map((kind) => [kind, 0])) as MischiefFigures;
  const stopped = new Set<PenstockProcess>();
  const waking: Promise<void>[] = [];
  // Each kind once, then at random: also a short run sees everything.
  const allowed = plan.kinds ?? kinds;
  const first = shuffled(allowed, random);
  const bag = allowed.flatMap((kind) => Array.from({ length: shares[kind] }, () => kind));
  while (!signal.aborted) {
    await pause(random.between(...plan.pauseMs), undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const kind = first.pop() ?? random.pick(bag)!;
    plan.say(kind);
    await act(kind).catch((error: unknown) => {
      throw new Error(`The mischief ${kind} itself failed: ${error instanceof Error ? error.message : error}`);
    });
    figures[kind]++;
  }
  await Promise.all(waking);
  return figures;

  async function act(kind: Mischief): Promise<void> {
    switch (kind) {
      case 'kill_worker':
        return replace('worker');
      case 'kill_scheduler':
        return replace('scheduler');
      case 'stop':
        return stopForAWhile();
      case 'terminate_sessions':
        return void (await world.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'penstock%' and random() < ${random.between(0.1, 1)}`,
        ));
      case 'cut_at_commit':
        return random.pick(world.proxies())?.cutAtNextStep();
      case 'restart_postgres':
        return bringDown('SIGINT');
      case 'crash_postgres':
        return bringDown('SIGQUIT');
    }
  }

  async function replace(role: Role): Promise<void> {
    const victim = random.pick(world.crew().filter((member) => member.role === role));
    if (victim) await world.dismiss(victim);
    stopped.delete(victim!);
    await world.hire(role);
  }

  async function stopForAWhile(): Promise<void> {
    const victim = random.pick(world.crew().filter((member) => member.role !== 'api' && !stopped.has(member)));
    if (!victim) return;
    stopped.add(victim);
    victim.signal('SIGSTOP');
    waking.push(
      pause(random.between(...plan.stopMs)).then(() => {
        victim.signal('SIGCONT');
        stopped.delete(victim);
      }),
    );
  }

  async function bringDown(how: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const before = world.postgres.postmasterPid;
    process.kill(before, how);
    while (world.postgres.postmasterPid === before) await pause(20);
    for (;;) {
      const isBack = await world.sql('select 1').then(
        () => true,
        () => false,
      );
      if (isBack) return;
      await pause(20);
    }
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
