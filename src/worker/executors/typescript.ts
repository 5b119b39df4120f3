import { availableParallelism } from 'node:os';
import type { Executor, RunningAttempt, Watchdog } from '../executor.ts';
import { noAnswer } from './no-answer.ts';
import { openOutOfMemoryCounter } from './out-of-memory.ts';
import { createCodeCache } from './typescript-code.ts';
import { createJob, type Job } from './typescript-job.ts';
import { blockEnvironment } from './typescript-launch.ts';
import { outcomeOfDeath, outcomeOfFailure, stoppedUnstarted } from './typescript-outcome.ts';
import { type BlockProcess, startBlockProcess } from './typescript-process.ts';

export type TypeScriptExecutorOptions = {
  /** Absolute path of the project folder. */
  readonly projectDir: string;
  readonly watchdog: Watchdog;
  /** The most attempts, and so processes, at a time. */
  readonly slots: number;
  /** What blocks get as their environment, less our own secrets. Default: this process' own. */
  readonly env?: NodeJS.ProcessEnv;
  /** A process that waited so long for work is ended, unless it is the last one. Default: 30 s. */
  readonly idleMs?: number;
};

/**
 * A start takes 40 ms, so an attempt that finds every process busy first waits a moment for one to become free: quick blocks
 * then share a few processes, which is several times cheaper than one process per slot.
 */
const growAfterMs = 5;
/** More starts at a time only slow each other down. */
const mostStarting = availableParallelism() * 2;

/** Runs TypeScript and JavaScript blocks in a pool of warm child processes, which grows with the work and shrinks without. */
export function createTypeScriptExecutor(options: TypeScriptExecutorOptions): Executor {
  const setting = {
    projectDir: options.projectDir,
    env: blockEnvironment(options.env ?? process.env, options.projectDir),
    watchdog: options.watchdog,
    outOfMemory: openOutOfMemoryCounter(),
  };
  const idleMs = options.idleMs ?? 30_000;
  const codes = createCodeCache();
  const processes = new Set<BlockProcess>();
  const starting = new Set<BlockProcess>();
  const retiring = new Set<BlockProcess>();
  const idle: BlockProcess[] = [];
  const queue: Job[] = [];
  const runningOn = new Map<Job, BlockProcess>();
  let growTimer: NodeJS.Timeout | null = null;
  let shrinkTimer: NodeJS.Timeout | null = null;
  let lastFreeAt = 0;
  let stopped = false;
  let stopping: Promise<void> | null = null;

  const events = {
    onReady(child: BlockProcess): void {
      starting.delete(child);
      offer(child);
    },
    onFree: offer,
    onAsking: grow,
    onGone(child: BlockProcess, unstarted: Job | null, lastWords: string | null): void {
      processes.delete(child);
      retiring.delete(child);
      starting.delete(child);
      remove(idle, child);
      if (unstarted !== null) {
        runningOn.delete(unstarted);
        queue.unshift(unstarted);
      }
      if (lastWords !== null) {
        onStartFailed(lastWords);
        return;
      }
      grow();
      // Somebody will come again, and should find a warm process.
      if (!stopped && processes.size === 0) start();
    },
  };

  function start(): void {
    const child = startBlockProcess(setting, events);
    processes.add(child);
    starting.add(child);
  }

  /** A process that can't even start would be started for ever: each failure takes one waiting attempt with it. */
  function onStartFailed(lastWords: string): void {
    const job = stopped ? undefined : queue.shift();
    if (job !== undefined) {
      const end = { exitCode: null, signal: null, lastWords, outOfMemoryKill: false };
      const death = outcomeOfDeath(job.task.blockUuid, end, false);
      job.settle({ ...death, message: `No process for blocks could be started. ${lastWords}`.trim() } as typeof death);
    }
    grow();
  }

  function assign(child: BlockProcess, job: Job): void {
    runningOn.set(job, child);
    child.run(job);
  }

  /** Gives a process that has nothing to do the next attempt that it can run. */
  function offer(child: BlockProcess): void {
    lastFreeAt = performance.now();
    const index = queue.findIndex((job) => child.suits(job));
    const [job] = index === -1 ? [] : queue.splice(index, 1);
    if (job !== undefined) {
      assign(child, job);
      return;
    }
    idle.push(child);
    grow();
    shrinkTimer ??= setTimeout(shrink, idleMs).unref();
  }

  /** Starts processes for attempts that have waited long enough, or plans to. */
  function grow(): void {
    const oldest = queue[starting.size];
    if (stopped || oldest === undefined) return;
    const now = performance.now();
    // While others come free all the time, one more process helps the less the more there are.
    const moving = now - lastFreeAt < growAfterMs;
    if (starting.size >= (moving ? 1 : mostStarting)) return;
    const patienceMs = processes.size === 0 || idle.length > 0 ? 0 : growAfterMs * (moving ? processes.size : 1);
    const waitMs = patienceMs - (now - oldest.queuedAt);
    if (waitMs > 0) {
      // Timers come before input: on a busy machine, hear first what the children have said meanwhile.
      growTimer ??= setTimeout(
        () =>
          setImmediate(() => {
            growTimer = null;
            grow();
          }),
        waitMs,
      );
      return;
    }
    // One that waits for an answer may wait for another attempt, which needs a process too.
    const asking = [...runningOn.keys()].filter((job) => job.asking > 0).length;
    if (processes.size - asking >= options.slots) {
      // The idle ones know other versions of these blocks: the one that waited longest makes room.
      if (retiring.size === 0) retire(idle.shift());
      return;
    }
    start();
    grow();
  }

  function retire(child: BlockProcess | undefined): void {
    if (child === undefined) return;
    retiring.add(child);
    child.kill();
  }

  function shrink(): void {
    shrinkTimer = null;
    const now = performance.now();
    while (idle.length > 1 && now - (idle[0]?.idleSince ?? now) >= idleMs) retire(idle.shift());
    if (idle.length > 1 && !stopped) shrinkTimer = setTimeout(shrink, idleMs / 3).unref();
  }

  /** Keeps a job's code from running until `go` says so. One that must not run at all goes with its process: nobody knows what that has prepared. */
  function hold(job: Job, go: Promise<boolean>): void {
    job.isHeld = true;
    go.then((isGiven) => {
      job.isHeld = false;
      if (isGiven) runningOn.get(job)?.go();
      else stopJob(job, 0);
    });
  }

  function stopJob(job: Job, graceMs: number): void {
    if (job.isSettled()) return;
    job.stopRequested = true;
    const child = runningOn.get(job);
    if (child !== undefined) {
      child.stop(graceMs);
      return;
    }
    remove(queue, job);
    job.settle(stoppedUnstarted);
  }

  return {
    holds: true,
    run: (task, sink, answer = noAnswer, go): RunningAttempt => {
      const code = codes.prepare(task.file, task.code);
      if ('error' in code) return settledAtOnce(outcomeOfFailure(code.error));
      if (stopped) return settledAtOnce(stoppedUnstarted);
      const job = createJob(task, code, sink, answer);
      if (go) hold(job, go);
      job.outcome.then(() => runningOn.delete(job));
      const index = idle.findLastIndex((child) => child.suits(job));
      const [child] = index === -1 ? [] : idle.splice(index, 1);
      if (child !== undefined) assign(child, job);
      else {
        queue.push(job);
        grow();
      }
      return { outcome: job.outcome, pid: job.pid, stop: (graceMs) => stopJob(job, graceMs) };
    },
    warm: async (count) => {
      const missing = Math.min(count, options.slots) - processes.size;
      for (let index = 0; index < missing; index++) start();
      await Promise.all([...starting].map((child) => child.started));
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };

  async function stop(): Promise<void> {
    stopped = true;
    clearTimeout(growTimer ?? undefined);
    clearTimeout(shrinkTimer ?? undefined);
    for (const job of queue.splice(0)) job.settle(stoppedUnstarted);
    for (const job of runningOn.keys()) job.stopRequested = true;
    for (const child of processes) child.kill();
    await Promise.all([...processes].map((child) => child.gone));
    setting.outOfMemory.close();
  }
}

function settledAtOnce(outcome: Awaited<RunningAttempt['outcome']>): RunningAttempt {
  return { outcome: Promise.resolve(outcome), pid: Promise.resolve(null), stop: () => {} };
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index !== -1) list.splice(index, 1);
}
