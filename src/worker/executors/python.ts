import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Executor, Watchdog } from '../executor.ts';
import { createPythonAttempt, type PythonAttempt } from './python-attempt.ts';
import type { PythonChild } from './python-child.ts';
import { pythonEnvironment } from './python-environment.ts';
import { type ForkServer, startForkServer } from './python-fork-server.ts';
import { openOutOfMemoryCounter } from './python-out-of-memory.ts';
import type { ChildEnd } from './python-outcome.ts';
import { endGroup, signalGroup } from './python-process-group.ts';

export type PythonExecutorOptions = {
  /** From `findPython`; null when the machine has none: every attempt then fails and says so. */
  readonly python: string | null;
  /** Absolute path of the project's folder. */
  readonly projectDir: string;
  readonly watchdog: Watchdog;
  /** How many attempts the worker runs at once. */
  readonly slots: number;
  /** The server's environment; blocks get it without the server's own secrets. */
  readonly env?: NodeJS.ProcessEnv;
  readonly now?: () => Date;
};

/** Idle children cost a few megabytes each, a fork about a millisecond: these few keep the fork off an attempt's way. */
const mostSpares = 4;
const slowestRestartMs = 10_000;
const stopPatienceMs = 2_000;
const mostStillborn = 4;
const stillbornPauseMs = 1_000;
const ignore = () => {};

/**
 * Runs Python blocks: every attempt in a process of its own, forked ahead from one warm Python.
 * A spare child waits for its task, so an attempt costs a message each way, and the next spare is forked meanwhile.
 */
export function createPythonExecutor(options: PythonExecutorOptions): Executor {
  const { watchdog, python } = options;
  const projectDir = resolve(options.projectDir);
  const env = pythonEnvironment(options.env ?? process.env, projectDir);
  const now = options.now ?? (() => new Date());
  const outOfMemory = openOutOfMemoryCounter();
  const spares: PythonChild[] = [];
  const waiting: PythonAttempt[] = [];
  const running = new Map<number, PythonAttempt>();
  const known = new Set<number>();
  const preloaded = new Set<string>();
  let wantedSpares = Math.min(options.slots, mostSpares);
  let expected = 0;
  let generation = 0;
  let server: ForkServer | null = null;
  let starting: Promise<void> | null = null;
  let failures = 0;
  let lastFailure = 'Python has not been started.';
  let retryAt = 0;
  const stopping = new AbortController();
  let stillborn = 0;
  let lastWords = '';
  let stopped = false;
  let onSpare: () => void = () => {};

  async function start(): Promise<void> {
    const delay = retryAt - performance.now();
    try {
      if (delay > 0) await sleep(delay, undefined, { signal: stopping.signal });
      if (python === null) return;
      server = await startForkServer({ python, projectDir, env, watchdog, signal: stopping.signal }, events);
      failures = 0;
      askForForks();
    } catch (error) {
      failures += 1;
      retryAt = performance.now() + Math.min(slowestRestartMs, 250 * 2 ** failures);
      lastFailure = error instanceof Error ? error.message : String(error);
      for (const attempt of waiting.splice(0)) attempt.refuse('PythonNotStarted', lastFailure);
    }
  }

  function ensureStarted(): Promise<void> {
    if (server) return Promise.resolve();
    starting ??= start().finally(() => {
      starting = null;
      // Who came while the failure was told to the others waits for the next try.
      if (waiting.length > 0 && server === null && !stopped) void ensureStarted();
    });
    return starting;
  }

  function askForForks(): void {
    const missing = waiting.length + wantedSpares - spares.length - expected;
    if (missing <= 0 || server === null || stopped) return;
    expected += missing;
    server.fork(missing);
  }

  function dispatch(): void {
    while (waiting.length > 0 && spares.length > 0) {
      const attempt = waiting.shift();
      if (attempt === undefined || attempt.isOver()) continue;
      const child = spares.pop();
      if (child === undefined) return;
      running.set(child.pid, attempt);
      child.listen(attempt.onFrame, attempt.onConnectionEnd);
      attempt.start(child);
    }
    // With spares left, forking waits until an attempt is over, and so does not take the processor from it.
    if (spares.length === 0) askForForks();
  }

  /** A child ended before it said hello: if none can live, whoever waits must hear of it. */
  function onStillborn(): void {
    expected = Math.max(0, expected - 1);
    stillborn += 1;
    if (stillborn < mostStillborn) return;
    const message = `Python starts, but its processes end before they can take a block. They said: ${lastWords.trim() || 'nothing'}`;
    for (const attempt of waiting.splice(0)) attempt.refuse('PythonNotStarted', message);
  }

  function forget(pid: number): PythonAttempt | undefined {
    const attempt = running.get(pid);
    running.delete(pid);
    known.delete(pid);
    watchdog.release(pid);
    return attempt;
  }

  function removeSpare(child: PythonChild): void {
    const place = spares.indexOf(child);
    if (place !== -1) spares.splice(place, 1);
  }

  const events = {
    onChild: (child: PythonChild) => {
      // Guarded from its birth on, so before any user's code.
      watchdog.guard(child.pid);
      known.add(child.pid);
      expected = Math.max(0, expected - 1);
      stillborn = 0;
      // One that dies while it waits is out of the choice at once; the fork server tells of its end later.
      child.listen(ignore, () => removeSpare(child));
      spares.push(child);
      const outdated = spares.findIndex((spare) => spare.generation < generation);
      if (outdated !== -1 && spares.length > wantedSpares) spares.splice(outdated, 1)[0]?.close();
      dispatch();
      onSpare();
    },
    onRawOutput: (pid: number, stream: 'stdout' | 'stderr', afterLines: number, bytes: Buffer) => {
      const attempt = running.get(pid);
      if (attempt) attempt.onRawOutput(stream, afterLines, bytes);
      else if (!known.has(pid)) lastWords = bytes.toString().slice(-2000);
    },
    onChildEnd: (end: ChildEnd) => {
      if (!known.has(end.pid)) onStillborn();
      forget(end.pid)?.onChildEnd(end);
      if (stillborn < mostStillborn) setImmediate(askForForks);
      else setTimeout(askForForks, stillbornPauseMs).unref();
    },
    onForkFailed: (message: string) => {
      expected = Math.max(0, expected - 1);
      waiting.shift()?.refuse('ForkFailed', `No process could be made for the block: ${message}.`);
    },
    onGeneration: (newest: number, modules: readonly string[]) => {
      generation = newest;
      for (const name of modules) preloaded.add(name);
      if (newest === 0) return;
      // As many new ones as there are old; each new one sends an old one home.
      expected += spares.length;
      if (spares.length > 0) server?.fork(spares.length);
    },
    onDeath: () => {
      server = null;
      expected = 0;
      generation = 0;
      preloaded.clear();
      failures += 1;
      retryAt = performance.now() + Math.min(slowestRestartMs, 50 * 2 ** failures);
      for (const spare of spares.splice(0)) {
        spare.close();
        forget(spare.pid);
      }
      void endOrphans();
    },
  };

  /** The fork server is dead: its children can't be reaped by it, so their groups are killed from here. */
  async function endOrphans(): Promise<void> {
    await Promise.all(
      [...running].map(async ([pid, attempt]) => {
        await endGroup(pid, stopPatienceMs);
        forget(pid);
        attempt.onChildEnd(null);
      }),
    );
    if (waiting.length > 0) await ensureStarted();
  }

  return {
    run: (task, sink) => {
      const onModules = (modules: readonly string[]) => {
        const unknown = modules.filter((name) => !preloaded.has(name));
        for (const name of unknown) preloaded.add(name);
        if (unknown.length > 0) server?.preload(unknown);
      };
      const attempt = createPythonAttempt({ task, sink, now, outOfMemory, onModules });
      if (python === null) attempt.refuse('PythonNotFound', notFound);
      else if (stopped) attempt.running.stop(0);
      else {
        waiting.push(attempt);
        dispatch();
        if (server === null) void ensureStarted();
      }
      return attempt.running;
    },
    warm: async (count) => {
      if (python === null || stopped) return;
      wantedSpares = Math.max(wantedSpares, Math.min(count, options.slots));
      await ensureStarted();
      askForForks();
      while (server !== null && !stopped && spares.length < Math.min(count, wantedSpares)) {
        await new Promise<void>((resolve) => {
          onSpare = resolve;
        });
      }
    },
    stop: async () => {
      if (stopped) return;
      stopped = true;
      stopping.abort();
      onSpare();
      for (const attempt of waiting.splice(0)) attempt.running.stop(0);
      const outcomes = [...running.values()].map((attempt) => {
        attempt.running.stop(0);
        return attempt.running.outcome;
      });
      await Promise.race([
        Promise.all(outcomes),
        new Promise((resolve) => setTimeout(resolve, stopPatienceMs).unref()),
      ]);
      await starting;
      for (const spare of spares) spare.close();
      await server?.stop();
      for (const pid of known) {
        signalGroup(pid, 'SIGKILL');
        watchdog.release(pid);
      }
      outOfMemory.close();
    },
  };
}

const notFound =
  'No Python was found. Install python3 (3.9 or newer), or make a `.venv` in the project, or set PENSTOCK_PYTHON.';
