import type { Claim } from '../store/step.ts';

/** So many claims may wait for a slot as will get one within this, as it has gone of late, in milliseconds … */
const lookaheadMs = 6;
/** … and never more than this, per slot. */
const mostAheadPerSlot = 3;
/** How it has gone of late is judged by so many attempts. */
const remembered = 16;
/** A claim that waited so long for a slot is better given back, in milliseconds: somebody else may have one. */
const patienceMs = 100;

export type SlotOptions = {
  readonly count: number;
  /** How many of those that have a slot do not need it now: they wait for a run that they have started. */
  readonly idling: () => number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number;
};

/**
 * The slots of a worker. As long as blocks come and go within a millisecond or two, the worker claims some that have no slot yet: the
 * next one begins when a slot comes free and not a round trip later, and each round trip carries more: of 5,000 empty
 * blocks with ten slots, half as many again are done in a second. Blocks that take their time are claimed when there is a slot for them.
 */
export type Slots = {
  /** How many block runs may be claimed now. */
  readonly room: () => number;
  /** Null: it has a slot. Else settles with true when it gets one, and with false when it is better given back. */
  readonly enter: (claim: Claim) => Promise<boolean> | null;
  /** It is over, whether it had a slot or not. */
  readonly leave: (claim: Claim) => void;
  /** Some that has a slot may have begun to wait for a run. */
  readonly offer: () => void;
};

export function openSlots({ count, idling, monotonicMs }: SlotOptions): Slots {
  const inside = new Set<Claim>();
  const waiting = new Map<Claim, { readonly since: number; readonly settle: (hasSlot: boolean) => void }>();
  /** When the last attempts ended; the oldest of them stands at `place`. */
  const ends = new Float64Array(remembered).fill(Number.NEGATIVE_INFINITY);
  let place = 0;
  let watching = false;

  // When one that waited for a run goes on, there may be more at work than slots.
  const free = () => count - (inside.size - idling());

  function ahead(): number {
    const perMs = remembered / (monotonicMs() - (ends[place] ?? 0));
    return Math.min(count * mostAheadPerSlot, Math.floor(perMs * lookaheadMs));
  }

  function offer(): void {
    for (const [claim, { settle }] of waiting) {
      if (free() <= 0) return;
      waiting.delete(claim);
      inside.add(claim);
      settle(true);
    }
  }

  function watchPatience(): void {
    if (watching) return;
    watching = true;
    // Timers come before input: on a busy machine, hear first who has ended meanwhile.
    setTimeout(() => setImmediate(giveBack), patienceMs).unref();
  }

  function giveBack(): void {
    watching = false;
    const latest = monotonicMs() - patienceMs;
    for (const [claim, { since, settle }] of waiting) {
      if (since > latest) break;
      waiting.delete(claim);
      settle(false);
    }
    if (waiting.size > 0) watchPatience();
  }

  return {
    room: () => Math.max(0, free() + ahead() - waiting.size),
    enter(claim) {
      if (free() > 0) {
        inside.add(claim);
        return null;
      }
      const { promise, resolve } = Promise.withResolvers<boolean>();
      waiting.set(claim, { since: monotonicMs(), settle: resolve });
      watchPatience();
      return promise;
    },
    leave(claim) {
      waiting.get(claim)?.settle(false);
      waiting.delete(claim);
      if (!inside.delete(claim)) return;
      ends[place] = monotonicMs();
      place = (place + 1) % remembered;
      offer();
    },
    offer,
  };
}
