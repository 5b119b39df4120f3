import { judgeWorker, type Standstill } from '../domain/worker-loss.ts';
import type { EngineContext } from '../engine/context.ts';
import { sightWorkers } from '../store/workers.ts';

/** How often workers are looked at: often when there are others than our own, or ours has just been left behind by an earlier life. */
const lookMs = { others: 200, onlyOwn: 2000 } as const;

/**
 * Makes the round that finds lost workers. What it remembers begins anew whenever a look took long or failed: then it was us
 * who slept, or the database, and nobody is lost for it.
 */
export function watchWorkers(
  context: EngineContext,
  options: { readonly monotonicMs: () => number; readonly ownWorkers: () => readonly bigint[] },
  release: (workerId: bigint) => Promise<unknown>,
): () => Promise<number> {
  let remembered = new Map<bigint, Standstill>();
  let lastLookMs = Number.NEGATIVE_INFINITY;

  return async () => {
    const startMs = options.monotonicMs();
    // Between two looks lie 0.2 or 2 s. Much more, and it was this process that stood still.
    if (startMs - lastLookMs > lookMs.onlyOwn + 1000) remembered = new Map();
    const before = remembered;
    // Forgotten unless this look succeeds.
    remembered = new Map();
    const sightings = await sightWorkers(context.database.pool);
    const own = new Set(options.ownWorkers());
    const others = sightings.filter((sighting) => !own.has(sighting.id));
    lastLookMs = options.monotonicMs();
    for (const { id, ...sighting } of others) {
      const { standstill, lost } = judgeWorker(before.get(id) ?? null, { atMs: lastLookMs, ...sighting });
      if (lost) await release(id);
      else remembered.set(id, standstill);
    }
    return others.length > 0 ? lookMs.others : lookMs.onlyOwn;
  };
}
