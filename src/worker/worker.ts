import type pg from 'pg';
import type { BlockDefinition } from '../domain/pipeline.ts';
import type { EngineContext } from '../engine/context.ts';
import { settleRuns } from '../engine/settle-runs.ts';
import { completeAndFollow } from '../store/complete-and-follow.ts';
import { endSessions, type Session, sessionOf } from '../store/sessions.ts';
import { type Claim, type Finish, type StepResult, step } from '../store/step.ts';
import { claimsHeld, claimsToStop, endWorker, recordPids, registerWorker, vacuumReady } from '../store/workers.ts';
import { type Attempt, givenBack, runAttempt } from './attempt.ts';
import { startBatcher } from './batcher.ts';
import { startBeat } from './beat.ts';
import { openBlockCalls } from './block-calls.ts';
import { startCallbacks } from './callbacks.ts';
import type { Executor } from './executor.ts';
import { startLogWriter } from './log-writer.ts';
import { rehearse } from './rehearse.ts';
import { RunContexts } from './run-contexts.ts';
import { watchRunEnds } from './run-ends.ts';
import { openSlots } from './slots.ts';

export type WorkerOptions = {
  readonly context: EngineContext;
  readonly executorOf: (block: BlockDefinition) => Executor | null;
  readonly projectDir: string;
  readonly outputsRoot: string;
  readonly slots: number;
  readonly label: string;
  readonly host: string;
  readonly pid: number;
  /** From SIGTERM to SIGKILL for an attempt whose run is cancelled, in milliseconds. */
  readonly graceMs: number;
  readonly onError: (what: string, error: unknown) => void;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs?: () => number;
};

export type Worker = {
  readonly id: bigint;
  /** Block runs may have been queued. */
  readonly wakeReady: () => void;
  /** Callback runs may have been made. */
  readonly wakeCallbacks: () => void;
  /** Some of what runs may have to stop. Settles when that was seen to; never rejects. */
  readonly wakeStop: () => Promise<void>;
  /** Runs have ended: a block may wait for one of them. */
  readonly wakeEnds: () => void;
  readonly busy: () => number;
  /** Claims nothing more and waits up to `drainMs` for what runs; then stops it with `graceMs`, gives it back to the queue, and leaves. */
  readonly stop: (options: { readonly drainMs: number; readonly graceMs: number }) => Promise<void>;
};

/** How often a worker with running attempts asks whether some must stop, when nobody wakes it; and records the pids of long ones. */
const checkMs = 1000;

/** What is due later than this is left to the poll. */
const longestTimerMs = 3_600_000;

/** After so many rows taken from the queue it is vacuumed, by whoever emptied it. */
const rowsPerVacuum = 2000;

/** Starts a worker: registers it, beats, claims block runs and runs them in its slots. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { context, onError } = options;
  const { database } = context;
  const id = await registerWorker(
    database.pool,
    { host: options.host, pid: options.pid, labels: [options.label], slots: options.slots },
    context.now(),
  );
  const running = new Map<number, Attempt>();
  const withPid = new Set<number>();
  const logs = startLogWriter({
    connect: () => database.connect('logs'),
    onError: (error) => onError('could not store log lines', error),
  });
  const beat = await startBeat(database.settings, id, (error) => onError('could not beat', error));
  const runEnds = watchRunEnds(database.pool, (error) => onError('could not see which runs have ended', error));
  const setting = {
    openCalls: (claim: Claim) => openBlockCalls({ context, runEnds, onWaiting }, claim),
    contexts: new RunContexts(database),
    executorOf: options.executorOf,
    projectDir: options.projectDir,
    outputsRoot: options.outputsRoot,
    logs,
    now: context.now,
    graceMs: options.graceMs,
  };

  const slots = openSlots({
    count: options.slots,
    idling: () => [...running.values()].filter((attempt) => attempt.isWaiting()).length,
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
  });
  function onWaiting(): void {
    slots.offer();
    batcher.wake();
  }

  let takenSinceVacuum = 0;
  function countTaken(rows: number): void {
    takenSinceVacuum += rows;
    if (takenSinceVacuum < rowsPerVacuum) return;
    takenSinceVacuum = 0;
    vacuumReady(database.pool).catch((error) => onError('could not vacuum the queue', error));
  }

  /** What is being made ready for claims that may yet not come to be, and those claims. */
  const uncommitted = new Set<Attempt>();
  const begun = new WeakSet<Claim>();

  /** One step. While Postgres writes its commit to disk, what was claimed alone is made ready; its code runs when the commit is there. */
  async function report(
    client: pg.Client,
    want: number,
    look: boolean,
    finishes: readonly Finish[],
  ): Promise<StepResult> {
    const go = Promise.withResolvers<boolean>();
    // In a crowd there is enough to do meanwhile, and each go costs a message.
    const isAlone = finishes.length <= 1;
    const begin = (claims: readonly Claim[]) => {
      const [claim] = claims;
      if (claim === undefined || claims.length > 1 || running.has(claim.id)) return;
      begun.add(claim);
      uncommitted.add(start(claim, go.promise));
    };
    try {
      const followed = want > 0 && !look ? await follow(client, finishes, begin) : null;
      const result =
        followed ??
        (await step(client, id, options.label, want, look, finishes, context.now(), isAlone ? begin : undefined));
      uncommitted.clear();
      go.resolve(true);
      return result;
    } catch (error) {
      // Should they be there after all, then as claims whose answer was lost.
      for (const attempt of uncommitted) forget(attempt);
      uncommitted.clear();
      go.resolve(false);
      throw error;
    }
  }

  /** Of a lone completion that lets one block go on: reports it the short way. Null when it has to go the ordinary way. */
  async function follow(
    client: pg.Client,
    finishes: readonly Finish[],
    begin: (claims: readonly Claim[]) => void,
  ): Promise<StepResult | null> {
    const [finish] = finishes;
    if (finishes.length !== 1 || finish?.leading === undefined) return null;
    if (finish.outcome !== 'completed' || finish.calls !== undefined) return null;
    const claim = await completeAndFollow(client, id, options.label, finish, finish.leading, context.now(), begin);
    return claim && { claims: [claim], unsettled: [], more: false, callbacks: false, ended: false };
  }

  /** Runs what was claimed. With `go`, once that settles with true; a claim that was not committed has to be forgotten. */
  function start(claim: Claim, go?: Promise<boolean>): Attempt {
    // One of the same block run still here: this worker was taken for lost meanwhile, and got the block run again. It waits
    // until nothing of its forerunner runs.
    const forerunner = running.get(claim.id);
    forerunner?.stop('run_ends', 0);
    const slot = slots.enter(claim);
    const attempt = runAttempt(setting, claim, { after: forerunner?.finish, slot, ...(go ? { go } : {}) });
    running.set(claim.id, attempt);
    tellBusy();
    attempt.finish.then(async (finish) => {
      if (go && !(await go)) return;
      forget(attempt);
      batcher.finish(finish);
      if (finish.retryAt) wakeAt(finish.retryAt);
      if (finish.outcome === 'wait' && claim.timeoutSeconds !== null) {
        wakeAt(new Date(attempt.startedAt.getTime() + claim.timeoutSeconds * 1000));
      }
    });
    return attempt;
  }

  function forget(attempt: Attempt): void {
    const { id: blockRunId } = attempt.claim;
    slots.leave(attempt.claim);
    if (running.get(blockRunId) === attempt) running.delete(blockRunId);
    withPid.delete(blockRunId);
    tellBusy();
  }

  /** The batcher's session, and before it those that broke and may not be gone yet. */
  const sessions: Session[] = [];
  const batcher = startBatcher({
    connect: async () => {
      const client = await database.connect('worker');
      sessions.push(await sessionOf(client));
      // At the start alone: whoever comes back has work that waits, and that readies the connection as well.
      if (sessions.length === 1)
        await rehearse(client, context.now()).catch((error) => onError('could not rehearse', error));
      return client;
    },
    step: async (client, want, look, finishes) => {
      const result = await report(client, want, look, finishes);
      if (finishes.some(isForAnybody)) context.wake('ready');
      if (look) countTaken(result.claims.length);
      if (result.callbacks) {
        callbacks.wake();
        context.wake('callbacks');
      }
      return result;
    },
    lostClaims: async (client) => {
      // What an earlier session commits after this look would be found by nobody: so it has to be gone first.
      const earlier = sessions.slice(0, -1);
      await endSessions(client, earlier);
      sessions.splice(0, earlier.length);
      const held = await claimsHeld(client, id);
      return held.filter((claim) => running.get(claim.id)?.claim.fence !== claim.fence).map(givenBack);
    },
    room: slots.room,
    start: (claim) => {
      if (!begun.has(claim)) start(claim);
    },
    settle: (runs) => {
      settleRuns(context, runs).catch((error) => onError('could not settle runs', error));
    },
    committed: (ended) => context.wake('events', ...(ended ? (['ends'] as const) : [])),
    onError: (error) => onError('could not report to the queue', error),
  });

  const callbacks = startCallbacks({
    context,
    setting,
    workerId: id,
    label: options.label,
    most: options.slots,
    onBusy: tellBusy,
    onError,
  });
  function tellBusy(): void {
    beat.busy(running.size + callbacks.busy());
  }

  /** Whether its block run is back in the queue by this, to be claimed at once by who has a slot. */
  function isForAnybody({ outcome, retryAt }: Finish): boolean {
    return outcome === 'requeue' || (retryAt !== null && retryAt <= context.now());
  }

  /** Looks when a retry, or a sensor's next call or deadline, is due: an idle worker's poll may come two seconds later. */
  function wakeAt(time: Date): void {
    const ms = time.getTime() - context.now().getTime() + 5;
    if (ms < longestTimerMs) setTimeout(batcher.wake, ms).unref();
  }

  let checking = false;
  async function check(): Promise<void> {
    if (checking || running.size === 0) return;
    checking = true;
    try {
      // One that is not committed yet would look as if it were lost.
      const committed = [...running.values()].filter((attempt) => !uncommitted.has(attempt));
      const held = committed.map(({ claim }) => ({ blockRunId: claim.id, fence: claim.fence }));
      const { stop, lost } = await claimsToStop(database.pool, id, held);
      for (const blockRunId of stop) running.get(blockRunId)?.stop('run_ends', options.graceMs);
      // Not ours any more: somebody judged this worker lost. Its late answer changes nothing; end it at once.
      for (const blockRunId of lost) running.get(blockRunId)?.stop('run_ends', 0);
      await recordLongAttempts();
    } catch (error) {
      onError('could not ask what to stop', error);
    } finally {
      checking = false;
    }
  }

  async function recordLongAttempts(): Promise<void> {
    const before = context.now().getTime() - checkMs;
    const long = [...running.values()].flatMap(({ claim, startedAt, pid }) => {
      const known = pid();
      if (known === null || withPid.has(claim.id) || startedAt.getTime() > before) return [];
      return [{ blockRunId: claim.id, fence: claim.fence, pid: known }];
    });
    if (long.length === 0) return;
    await recordPids(database.pool, long);
    for (const { blockRunId } of long) withPid.add(blockRunId);
  }

  const timer = setInterval(check, checkMs);
  return {
    id,
    wakeReady: batcher.wake,
    wakeCallbacks: callbacks.wake,
    wakeStop: check,
    wakeEnds: runEnds.wake,
    busy: () => running.size,
    async stop({ drainMs, graceMs }) {
      batcher.close();
      clearInterval(timer);
      const ends = () => Promise.all([...running.values()].map((attempt) => attempt.finish));
      if (drainMs > 0) await within(drainMs, ends());
      for (const attempt of running.values()) attempt.stop('shutdown', graceMs);
      await within(graceMs + 500, ends());
      for (const attempt of running.values()) batcher.finish(givenBack(attempt.claim));
      await batcher.drained(1000);
      await callbacks.stop(graceMs);
      await Promise.allSettled([batcher.end(), logs.end(), beat.stop()]);
      await endWorker(database.pool, id, context.now()).catch((error) => onError('could not sign off', error));
    },
  };
}

/** Waits for `work`, but at most `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
