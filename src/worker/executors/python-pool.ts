import type { Watchdog } from '../executor.ts';
import { signalGroup } from './process-group.ts';
import type { PythonChild } from './python-child.ts';
import { type ForkServer, startForkServer } from './python-fork-server.ts';
import type { ChildEnd } from './python-outcome.ts';
import { createStarter } from './python-starter.ts';

/** A few forked children that wait for a task, and the fork server that makes them and is replaced when it dies. */
export type PythonPool = {
  /** A child that waits for a task, the newest; undefined when there is none: then one is on its way, `onSpare` tells. */
  readonly take: () => PythonChild | undefined;
  /** Learns from an attempt: libraries that are worth importing before the next fork. */
  readonly learn: (modules: readonly string[]) => void;
  /** A child is about to be told to stop: what it has started keeps the grace, also when the child itself ends before. */
  readonly giveGrace: (pid: number, graceMs: number) => void;
  /** Resolves when this many children wait, or none can be made. */
  readonly warm: (count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type PythonPoolOptions = {
  readonly python: string;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly watchdog: Watchdog;
  /** How many children may wait at most. */
  readonly slots: number;
};

export type PythonPoolEvents = {
  /** How many attempts wait for a child now. */
  readonly demand: () => number;
  readonly onSpare: () => void;
  readonly onRawOutput: (pid: number, stream: 'stdout' | 'stderr', afterLines: number, bytes: Buffer) => void;
  readonly onChildEnd: (end: ChildEnd) => void;
  /** The fork server died: nobody will tell how its children end. */
  readonly onForkServerDeath: () => void;
  /** No child can be made now, for this reason. */
  readonly onFailure: (type: 'PythonNotStarted' | 'ForkFailed', message: string) => void;
};

/** Idle children cost 1.5 MB each, a fork a millisecond and a half: these few keep the forks off the way of most runs. */
const mostSpares = 8;
/** When no attempt has ended for so long, the spares are completed, however few are missing. */
const refillMs = 50;
const mostStillborn = 4;
const stillbornPauseMs = 1_000;

/** Makes a pool; Python starts with the first `take` or `warm`. */
export function createPythonPool(options: PythonPoolOptions, events: PythonPoolEvents): PythonPool {
  const { watchdog } = options;
  const spares: PythonChild[] = [];
  const alive = new Set<number>();
  /** Spares that only wait: whoever dies, they end with their connection. */
  const unguarded = new Set<number>();
  /** Ended before they said hello, or with their hello still on its way. */
  const endedUnknown = new Set<number>();
  const preloaded = new Set<string>();
  const warmers = new Set<() => void>();
  let wanted = Math.min(options.slots, mostSpares);
  let expected = 0;
  let generation = 0;
  let stillborn = 0;
  let lastWords = '';
  let server: ForkServer | null = null;
  let stopped = false;
  let refill: NodeJS.Timeout | undefined;

  const starter = createStarter(
    async (signal) => {
      server = await startForkServer({ ...options, signal }, forkServerEvents);
      askForForks();
    },
    (error) => fail('PythonNotStarted', error instanceof Error ? error.message : String(error)),
  );

  function fail(type: 'PythonNotStarted' | 'ForkFailed', message: string): void {
    events.onFailure(type, message);
    for (const resolve of warmers) resolve();
  }

  function askForForks(atLeast = 1): void {
    if (stopped) return;
    if (server === null) {
      if (events.demand() > 0) void starter.start();
      return;
    }
    const missing = events.demand() + wanted - spares.length - expected;
    if (missing < atLeast) return;
    expected += missing;
    server.fork(missing);
  }

  /**
   * Many at once and late, since the fork server pays for many a page of its memory once per volley of forks, and a short run is
   * over before there is one. With spares left, forking also waits until an attempt is over, and so does not take the processor
   * from it.
   */
  function askForVolley(): void {
    askForForks(wanted - Math.floor(wanted / 4));
    if (refill === undefined) refill = setTimeout(askForForks, refillMs).unref();
    else refill.refresh();
  }

  /** All at once, since each word wakes the watchdog. */
  function guardSpares(): void {
    watchdog.guard(...unguarded);
    unguarded.clear();
  }

  function removeSpare(pid: number): void {
    const place = spares.findIndex((spare) => spare.pid === pid);
    if (place !== -1) spares.splice(place, 1);
  }

  function retireOutdatedSpare(): void {
    const outdated = spares.find((spare) => spare.generation < generation);
    if (outdated === undefined || spares.length <= wanted) return;
    removeSpare(outdated.pid);
    outdated.close();
  }

  function forget(pid: number): void {
    alive.delete(pid);
    unguarded.delete(pid);
    watchdog.release(pid);
  }

  /** A child ended before it said hello. When none can live, whoever waits must hear of it. */
  function onStillborn(): void {
    expected = Math.max(0, expected - 1);
    stillborn += 1;
    if (stillborn < mostStillborn) return;
    const said = lastWords.trim() || 'nothing';
    fail('PythonNotStarted', `Python starts, but its processes end before they can take a block. They said: ${said}`);
  }

  const forkServerEvents = {
    onChild: (child: PythonChild) => {
      // Its end was told first: a task for it would never be answered.
      if (endedUnknown.delete(child.pid)) {
        child.close();
        return;
      }
      unguarded.add(child.pid);
      alive.add(child.pid);
      expected = Math.max(0, expected - 1);
      stillborn = 0;
      // One that dies while it waits is out of the choice when either its connection or the fork server tells of it.
      child.listen(ignore, () => {
        removeSpare(child.pid);
        askForForks();
      });
      spares.push(child);
      retireOutdatedSpare();
      events.onSpare();
      for (const resolve of warmers) resolve();
    },
    onRawOutput: (pid: number, stream: 'stdout' | 'stderr', afterLines: number, bytes: Buffer) => {
      if (alive.has(pid)) events.onRawOutput(pid, stream, afterLines, bytes);
      else lastWords = bytes.toString().slice(-2000);
    },
    onChildEnd: (end: ChildEnd) => {
      if (!alive.has(end.pid)) {
        endedUnknown.add(end.pid);
        onStillborn();
      }
      forget(end.pid);
      removeSpare(end.pid);
      events.onChildEnd(end);
      if (stillborn === 0) askForVolley();
      else if (stillborn < mostStillborn) setImmediate(askForForks);
      else setTimeout(askForForks, stillbornPauseMs).unref();
    },
    onForkFailed: (reason: string) => {
      expected = Math.max(0, expected - 1);
      fail('ForkFailed', `No process could be made for the block: ${reason}.`);
    },
    onGeneration: (newest: number, modules: readonly string[]) => {
      generation = newest;
      for (const name of modules) preloaded.add(name);
      if (newest === 0 || spares.length === 0) return;
      // As many new ones as there are old; each new one sends an old one home.
      expected += spares.length;
      server?.fork(spares.length);
    },
    onDeath: () => {
      server = null;
      expected = 0;
      generation = 0;
      preloaded.clear();
      endedUnknown.clear();
      starter.pause();
      for (const spare of spares.splice(0)) {
        spare.close();
        forget(spare.pid);
      }
      events.onForkServerDeath();
      askForForks();
    },
  };

  return {
    take: () => {
      const child = spares.pop();
      // Before it can get a task, so before any user's code.
      if (child !== undefined && unguarded.has(child.pid)) guardSpares();
      if (spares.length === 0) askForForks();
      return child;
    },
    learn: (modules) => {
      const unknown = modules.filter((name) => !preloaded.has(name));
      for (const name of unknown) preloaded.add(name);
      if (unknown.length > 0) server?.preload(unknown);
    },
    giveGrace: (pid, graceMs) => server?.giveGrace(pid, graceMs),
    warm: async (count) => {
      wanted = Math.max(wanted, Math.min(count, options.slots));
      if (server === null) await starter.start();
      askForForks();
      while (server !== null && !stopped && stillborn < mostStillborn && spares.length < Math.min(count, wanted)) {
        await new Promise<void>((resolve) => warmers.add(resolve));
        warmers.clear();
      }
    },
    stop: async () => {
      stopped = true;
      clearTimeout(refill);
      for (const resolve of warmers) resolve();
      await starter.stop();
      for (const spare of spares.splice(0)) spare.close();
      await server?.stop();
      for (const pid of alive) {
        signalGroup(pid, 'SIGKILL');
        watchdog.release(pid);
      }
    },
  };
}

function ignore(): void {}
