import { judgeWorker, type Standstill } from '../domain/worker-loss.ts';
import type { EngineContext } from '../engine/context.ts';
import { sightWorkers } from '../store/workers.ts';

/** How often workers are looked at: often when there are others than our own, or ours has just been left behind by an earlier life. */
const lookMs = { others: 200, onlyOwn: 2000 } as const;

/**
 * Makes the round that finds lost workers. What it remembers begins anew whenever a look failed, Postgres was restarted or this process slept: then it was
 * us who stood still, or the database, and nobody is lost for it.
 */
export function watchWorkers(
  context: EngineContext,
  options: { readonly monotonicMs: () => number; readonly ownWorkers: () => readonly bigint[] },
  release: (workerId: bigint) => Promise<unknown>,
): () => Promise<number> {
  let remembered = new Map<bigint, Standstill>();
  let lastLookMs = Number.NEGATIVE_INFINITY;
  let lastServer: string | null = null;

  return async () => {
    const startMs = options.monotonicMs();
    // Between two looks lie 0.2 or 2 s. Much more, and it was this process that stood still.
    if (startMs - lastLookMs > lookMs.onlyOwn + 1000) remembered = new Map();
    let before = remembered;
    // Forgotten unless this look succeeds.
    remembered = new Map();
    const { server, workers } = await sightWorkers(context.database.pool);
    // Between two looks Postgres may go down and come back.
    if (server !== lastServer) before = new Map();
    lastServer = server;
    const own = new Set(options.ownWorkers());
    const others = workers.filter((sighting) => !own.has(sighting.id));
    lastLookMs = options.monotonicMs();
    const lost: bigint[] = [];
    for (const { id, ...sighting } of others) {
      const verdict = judgeWorker(before.get(id) ?? null, { atMs: lastLookMs, ...sighting });
      remembered.set(id, verdict.standstill);
      if (verdict.lost) lost.push(id);
    }
    // All were judged first: where one can't be released, the next round finds the others as still as before.
    for (const id of lost) {
      await release(id);
      remembered.delete(id);
    }
    return others.length > 0 ? lookMs.others : lookMs.onlyOwn;
  };
}
