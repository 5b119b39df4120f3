import { blockersOfRun } from '../domain/blockers.ts';
import { readBlockerFacts } from '../store/blocker-facts.ts';
import { type BlockerNews, nextActiveRuns, tellBlockers } from '../store/told-blockers.ts';
import type { EngineContext } from './context.ts';

/** A run waits when nothing has moved on it for this long, in milliseconds; what moves sooner is not worth a word. */
const quietMs = 500;

/** At most this many runs are looked at in one round; the next one goes on behind them. */
const most = 200;

export type Told = {
  /** How many histories were told something. */
  readonly told: number;
  /** Where the next round begins; 0 from the start again. */
  readonly next: bigint;
  /** Whether a run moves, or has news of why it waits: then more news may come soon. */
  readonly areSomeMoving: boolean;
};

/**
 * Tells the histories of waiting runs when the blocker that binds them has changed. Looks at active runs after the id `after`. Several
 * schedulers may call it at once: each change is told once.
 */
export async function tellChangedBlockers(context: EngineContext, after: bigint): Promise<Told> {
  const now = context.now();
  const { pool } = context.database;
  const active = await nextActiveRuns(pool, after, new Date(now.getTime() - quietMs), most);
  const waiting = active.filter((run) => run.isQuiet && !run.isAtWork);
  const news: BlockerNews[] = active
    .filter((run) => run.isAtWork && run.blocker !== null)
    .map((run) => ({ run, code: null, message: null }));
  if (waiting.length > 0) {
    const facts = await readBlockerFacts(
      pool,
      waiting.map((run) => run.id),
      now,
    );
    for (const run of waiting) {
      const ofRun = facts.runs.get(run.id);
      const binding = ofRun && blockersOfRun(ofRun, facts.world)[0];
      const code = binding?.code ?? null;
      if (code !== run.blocker) news.push({ run, code, message: binding?.message ?? null });
    }
  }
  const told =
    news.length === 0 ? 0 : await context.database.transaction((client) => tellBlockers(client, news, context.now()));
  if (told > 0) context.wake('events');
  const isLastPage = active.length < most;
  const areSomeMoving = news.length > 0 || waiting.length < active.length || !isLastPage;
  return { told, next: isLastPage ? 0n : active.at(-1)!.id, areSomeMoving };
}
