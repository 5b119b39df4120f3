import { nextFireTime } from '../domain/schedule.ts';
import { admitRuns } from '../engine/admit-runs.ts';
import { cancelOrphanedChildren } from '../engine/cancel-orphaned-children.ts';
import type { EngineContext, WakeTopic } from '../engine/context.ts';
import { fireTriggers } from '../engine/fire-triggers.ts';
import { giveUpStops } from '../engine/give-up-stops.ts';
import { markMissedSlas } from '../engine/mark-missed-slas.ts';
import { releaseLostClaims } from '../engine/release-lost-claims.ts';
import { runBatches } from '../engine/run-batches.ts';
import { settleRuns } from '../engine/settle-runs.ts';
import { sweepDeletedRuns } from '../engine/sweep-deleted-runs.ts';
import { createBlockerTeller } from '../engine/tell-blockers.ts';
import { timeOutRuns } from '../engine/time-out-runs.ts';
import { activeTimeTriggers } from '../store/catalog.ts';
import { areSomeAwaited } from '../store/child-runs.ts';
import { nextDeadline } from '../store/deadlines.ts';
import { restoreReadyRows, workersThatLeftWork } from '../store/workers.ts';
import { startLoop } from './loop.ts';
import { watchWorkers } from './watch-workers.ts';

export type Scheduler = {
  readonly wake: (topic: WakeTopic) => void;
  readonly stop: () => Promise<void>;
};

/** How long each loop sleeps when nobody wakes it, in milliseconds. A wake-up is a kindness; these are the promise. */
const sleepMs = {
  admission: 2000,
  settling: 2000,
  /** Deadlines have timers of their own; so soon is one seen that was set by another process. Stopping begins within a second of it. */
  deadlines: 900,
  /** Fire times too. */
  triggers: 30_000,
  restore: 10_000,
  /** How soon it is told what a run waits for; and how long at most it takes to see that something moves again. */
  blockers: { someMoving: 1000, still: 5000 },
  batches: 2000,
  /** While blocks wait for runs that they started, and while none does. */
  orphans: { someAwaited: 1000, noneAwaited: 5000 },
  deletedRuns: 60_000,
  /** How soon a stop that nobody answered is seen to be overdue. */
  stops: 5000,
} as const;

/** What waits without a ready row, or is held by a worker that has ended, for this long is nobody's any more, in milliseconds. */
const leftAloneMs = 5000;

/** Starts the loops that wait on time or capacity. Several schedulers may run: each round is safe to run twice. */
export function startScheduler(
  context: EngineContext,
  options: {
    /** Milliseconds of a clock that never jumps. */
    readonly monotonicMs: () => number;
    /** Workers of this very process, which it need not watch closely. */
    readonly ownWorkers: () => readonly bigint[];
    /** From SIGTERM to SIGKILL for a block whose run is cancelled, in milliseconds; workers have their own. */
    readonly graceMs: number;
    /** Removes what a run has stored; a run that stored nothing is fine. */
    readonly removeOutputs: (runId: bigint) => Promise<void>;
    readonly onError: (what: string, error: unknown) => void;
  },
): Scheduler {
  const { pool } = context.database;
  const loop = (what: string, work: () => Promise<number>) => startLoop(work, (error) => options.onError(what, error));

  const deadlines = loop('could not watch deadlines', async () => {
    const next = await nextDeadline(pool);
    const untilNext = next === null ? Infinity : next.getTime() - context.now().getTime();
    if (untilNext > 0) return Math.min(untilNext, sleepMs.deadlines);
    await timeOutRuns(context);
    await markMissedSlas(context);
    return 0;
  });
  let areSomeWaiting = false;
  const admission = loop('could not admit runs', async () => {
    const admitted = await admitRuns(context);
    areSomeWaiting = admitted.areSomeWaiting;
    if (admitted.started > 0) deadlines.wake();
    return sleepMs.admission;
  });
  const settling = loop('could not settle runs', async () => {
    await settleRuns(context);
    return sleepMs.settling;
  });
  const triggers = loop('could not fire triggers', async () => {
    await fireTriggers(context);
    const now = context.now();
    const waits = (await activeTimeTriggers(pool)).map((trigger) => {
      const next = nextFireTime(trigger.scheduleInterval ?? '@once', trigger.timezone, now);
      return next === null ? Infinity : next.getTime() - now.getTime();
    });
    return Math.min(...waits, sleepMs.triggers);
  });
  const workers = loop(
    'could not watch workers',
    watchWorkers(context, options, (id) => releaseLostClaims(context, id)),
  );
  const restore = loop('could not restore the queue', async () => {
    const now = context.now();
    const before = new Date(now.getTime() - leftAloneMs);
    if ((await restoreReadyRows(pool, before, now)) > 0) context.wake('ready');
    for (const id of await workersThatLeftWork(pool, before)) await releaseLostClaims(context, id);
    return sleepMs.restore;
  });

  const teller = createBlockerTeller(context);
  let tellPauseMs: number = sleepMs.blockers.someMoving;
  const blockers = loop('could not tell what runs wait for', async () => {
    const before = options.monotonicMs();
    const { hasMore, areSomeMoving } = await teller.round();
    // However many there are to tell, it takes a quarter of somebody's time at most: what runs goes first.
    if (hasMore) return 3 * (options.monotonicMs() - before);
    tellPauseMs = areSomeMoving ? sleepMs.blockers.someMoving : Math.min(tellPauseMs * 2, sleepMs.blockers.still);
    return tellPauseMs;
  });
  const deletedRuns = loop('could not clear away deleted runs', async () =>
    (await sweepDeletedRuns(context, options.removeOutputs)) > 0 ? 0 : sleepMs.deletedRuns,
  );
  const stops = loop('could not give up stops that nobody answered', async () => {
    await giveUpStops(context, options.graceMs);
    return sleepMs.stops;
  });
  let areSomeWaitedFor = true;
  const orphans = loop('could not cancel the runs that nobody waits for any more', async () => {
    if ((await cancelOrphanedChildren(context)) > 0) return 0;
    areSomeWaitedFor = await areSomeAwaited(pool);
    return areSomeWaitedFor ? sleepMs.orphans.someAwaited : sleepMs.orphans.noneAwaited;
  });
  const batches = loop('could not go on with a batch', async () => {
    const before = options.monotonicMs();
    const unfinished = await runBatches(context);
    // It keeps a processor busy as long as it goes on: a third of the time is left to those who ask for something meanwhile.
    if (unfinished > 0) return (options.monotonicMs() - before) / 2;
    return sleepMs.batches;
  });

  const loops = [
    deadlines,
    admission,
    settling,
    triggers,
    workers,
    restore,
    blockers,
    batches,
    orphans,
    deletedRuns,
    stops,
  ];
  return {
    wake(topic) {
      // While something moves the round comes every second by itself: what moves fast wakes nobody.
      if ((topic === 'admission' || topic === 'settle') && tellPauseMs > sleepMs.blockers.someMoving) blockers.wake();
      if (topic === 'stop' || (topic === 'ends' && areSomeWaitedFor)) orphans.wake();
      if (topic === 'admission') admission.wake();
      // A run that ends makes room, which matters only to those that a limit holds back.
      else if (topic === 'ends' && areSomeWaiting) admission.wake();
      else if (topic === 'settle') settling.wake();
      else if (topic === 'batches') {
        batches.wake();
        deletedRuns.wake();
      } else if (topic === 'catalog') {
        triggers.wake();
        // Limits may have changed.
        admission.wake();
      }
    },
    async stop() {
      await Promise.all(loops.map((each) => each.stop()));
    },
  };
}
