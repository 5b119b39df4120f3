import { type Blocker, blockersOfRun } from '../domain/blockers.ts';
import { readBlockerFacts } from '../store/blocker-facts.ts';
import { livingLabels } from '../store/label-facts.ts';
import { isSchedulerAlive } from '../store/scheduler-presence.ts';
import {
  type ActiveRun,
  type BlockerNews,
  howRunsFare,
  nextActiveRuns,
  type RunFare,
  tellBlockers,
} from '../store/told-blockers.ts';
import type { EngineContext } from './context.ts';

/** A run waits when nothing has moved on it for this long, in milliseconds; what moves sooner is not worth a word. */
const quietMs = 500;

/** Runs that are looked at closely in one round: a few dozen milliseconds of work. */
const closely = 500;

/** Runs that one pass glances at; the next one goes on behind them. A glance costs two microseconds, a close look fifty. */
const most = 10_000;

/** How long it is believed that a run waits for what it was told, in milliseconds, when nothing says otherwise. */
const believedMs = { least: 30_000, spread: 30_000, child: 1000 } as const;

/** What a round did. */
export type Told = {
  /** How many histories were told something. */
  readonly told: number;
  /** Whether the pass goes on: more runs are to be looked at closely. */
  readonly hasMore: boolean;
  /** Whether a run moves, or has news of why it waits: then more news may come soon. */
  readonly areSomeMoving: boolean;
};

/** Tells histories, round after round, pass after pass, what their runs wait for. */
export type BlockerTeller = { readonly round: () => Promise<Told> };

/** What a waiting run was told, or has been told before: nothing new before it moves, something that its blocker depends on changes, or it is time. */
type Belief = { readonly facts: string; readonly until: number };

/**
 * Tells the histories of waiting runs when the blocker that binds them has changed. Several schedulers may do so at once: each change is
 * told once. Ten thousand runs may wait for the same thing for hours; so what was told is remembered, and a pass looks closely only at
 * those whose beginning of a wait it has not seen.
 */
export function createBlockerTeller(context: EngineContext): BlockerTeller {
  const { pool } = context.database;
  const beliefs = new Map<bigint, Belief>();
  let world = '';
  let after = 0n;
  let seen = new Set<bigint>();
  let pending: readonly ActiveRun[] = [];

  /** Glances at the next active runs, and takes those that nothing is believed of. */
  async function beginPass(): Promise<void> {
    const active = await nextActiveRuns(pool, after, most);
    // While nothing is active, one question is enough.
    const nowWorld = active.length === 0 ? world : await describeWorld();
    if (nowWorld !== world) beliefs.clear();
    world = nowWorld;
    for (const run of active) seen.add(run.id);
    after = active.length < most ? 0n : active.at(-1)!.id;
    if (after === 0n) {
      for (const id of beliefs.keys()) if (!seen.has(id)) beliefs.delete(id);
      seen = new Set();
    }
    const now = context.now().getTime();
    pending = active.filter((run) => {
      const belief = beliefs.get(run.id);
      return !belief || belief.until <= now || belief.facts !== factsOf(run);
    });
  }

  /** What the blockers of all runs depend on besides the runs themselves. Whether workers are full is told by what they claim. */
  async function describeWorld(): Promise<string> {
    return JSON.stringify([await isSchedulerAlive(pool), await livingLabels(pool)]);
  }

  function believe(run: ActiveRun, binding: Blocker): void {
    const spread = Number(run.id % BigInt(believedMs.spread / 1000)) * 1000;
    const age = binding.code === 'CHILD_RUN' ? believedMs.child : believedMs.least + spread;
    const until = Math.min(binding.until?.getTime() ?? Infinity, context.now().getTime() + age);
    beliefs.set(run.id, { facts: factsOf(run), until });
  }

  /** The binding blockers of runs that wait; those that nothing blocks, because they are just about to move, are left out. */
  async function bindingBlockers(runs: readonly ActiveRun[]): Promise<ReadonlyMap<bigint, Blocker>> {
    if (runs.length === 0) return new Map();
    const facts = await readBlockerFacts(
      pool,
      runs.map((run) => run.id),
      context.now(),
    );
    return new Map(
      [...facts.runs.values()].flatMap((run) => {
        const binding = blockersOfRun(run, facts.world)[0];
        return binding ? [[run.id, binding]] : [];
      }),
    );
  }

  async function tell(news: readonly BlockerNews[]): Promise<ReadonlySet<bigint>> {
    if (news.length === 0) return new Set();
    const told = await context.database.transaction((client) => tellBlockers(client, news, context.now()));
    if (told.length > 0) context.wake('events');
    return new Set(told);
  }

  return {
    async round() {
      if (pending.length === 0) await beginPass();
      const chunk = pending.slice(0, closely);
      pending = pending.slice(closely);
      const quietSince = new Date(context.now().getTime() - quietMs);
      const fares = await howRunsFare(
        pool,
        chunk.map((run) => run.id),
        quietSince,
      );
      const runs = chunk.flatMap((run) => {
        const fare = fares.get(run.id);
        return fare ? [{ run: { ...run, ...fare.told }, ...fare }] : [];
      });
      const waiting = runs.filter((each) => each.isQuiet && !each.isAtWork).map(({ run }) => run);
      const binding = await bindingBlockers(waiting);
      const news = [...movesAgain(runs), ...changes(waiting, binding)];
      const told = await tell(news);
      for (const run of waiting) {
        const blocker = binding.get(run.id);
        if (!blocker) continue;
        if (blocker.code === run.blocker) believe(run, blocker);
        else if (told.has(run.id)) believe({ ...run, blocker: blocker.code, eventSeq: run.eventSeq + 1 }, blocker);
      }
      const hasMore = pending.length > 0;
      return {
        told: told.size,
        hasMore,
        areSomeMoving: news.length > 0 || waiting.length < chunk.length || after > 0n,
      };
    },
  };
}

/** What a run's blocker depends on, as far as it shows at a glance. */
function factsOf({ eventSeq, blocker, limits }: ActiveRun): string {
  return `${eventSeq} ${blocker} ${limits}`;
}

/** Runs that a worker has something of: nothing blocks them any more, so that the next wait is news again. */
function movesAgain(runs: readonly ({ readonly run: ActiveRun } & RunFare)[]): readonly BlockerNews[] {
  return runs
    .filter(({ isAtWork, run }) => isAtWork && run.blocker !== null)
    .map(({ run }) => ({ run, code: null, message: null }));
}

function changes(waiting: readonly ActiveRun[], binding: ReadonlyMap<bigint, Blocker>): readonly BlockerNews[] {
  return waiting.flatMap((run) => {
    const blocker = binding.get(run.id);
    return blocker && blocker.code !== run.blocker ? [{ run, code: blocker.code, message: blocker.message }] : [];
  });
}
