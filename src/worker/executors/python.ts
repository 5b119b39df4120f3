import { resolve } from 'node:path';
import type { Executor, Watchdog } from '../executor.ts';
import { noAnswer } from './no-answer.ts';
import { openOutOfMemoryCounter } from './out-of-memory.ts';
import { endGroup } from './process-group.ts';
import { createPythonAttempt, type PythonAttempt } from './python-attempt.ts';
import { pythonEnvironment } from './python-environment.ts';
import { createPythonPool } from './python-pool.ts';

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

const stopPatienceMs = 2_000;

/**
 * Runs Python blocks: every attempt in a process of its own, forked ahead from one warm Python.
 * A spare child waits for its task, so an attempt costs a message each way, and the next spare is forked meanwhile.
 */
export function createPythonExecutor(options: PythonExecutorOptions): Executor {
  if (options.python === null) return executorWithoutPython;
  const projectDir = resolve(options.projectDir);
  const env = pythonEnvironment(options.env ?? process.env, projectDir);
  const now = options.now ?? (() => new Date());
  const outOfMemory = openOutOfMemoryCounter();
  const waiting: PythonAttempt[] = [];
  const running = new Map<number, PythonAttempt>();
  let stopped = false;

  const pool = createPythonPool(
    { python: options.python, projectDir, env, watchdog: options.watchdog, slots: options.slots },
    {
      demand: () => waiting.length,
      onSpare: dispatch,
      onRawOutput: (pid, stream, afterLines, bytes) => running.get(pid)?.onRawOutput(stream, afterLines, bytes),
      onChildEnd: (end) => {
        const attempt = running.get(end.pid);
        running.delete(end.pid);
        if (attempt !== undefined && !end.hasBegun && attempt.loseChild()) {
          waiting.unshift(attempt);
          dispatch();
        } else attempt?.onChildEnd(end);
      },
      onForkServerDeath: () => {
        for (const [pid, attempt] of running) void endOrphan(pid, attempt);
      },
      onFailure: (type, message) => {
        for (const attempt of waiting.splice(0)) attempt.refuse(type, message);
      },
    },
  );

  /** The fork server can't end and reap this child's group any more, so it is killed from here. */
  async function endOrphan(pid: number, attempt: PythonAttempt): Promise<void> {
    await endGroup(pid, stopPatienceMs);
    running.delete(pid);
    options.watchdog.release(pid);
    attempt.onChildEnd(null);
  }

  function dispatch(): void {
    while (waiting.length > 0) {
      if (waiting[0]?.isOver()) {
        waiting.shift();
        continue;
      }
      const child = pool.take();
      if (child === undefined) return;
      const attempt = waiting.shift();
      if (attempt === undefined) return;
      running.set(child.pid, attempt);
      child.listen(attempt.onFrame, attempt.onConnectionEnd);
      attempt.start(child);
    }
  }

  return {
    holds: true,
    run: (task, sink, answer = noAnswer, go = undefined) => {
      const attempt = createPythonAttempt({
        task,
        sink,
        answer,
        go,
        now,
        outOfMemory,
        onModules: pool.learn,
        onStop: pool.giveGrace,
      });
      if (stopped) attempt.running.stop(0);
      else {
        waiting.push(attempt);
        dispatch();
      }
      return attempt.running;
    },
    warm: (count) => pool.warm(count),
    stop: async () => {
      if (stopped) return;
      stopped = true;
      for (const attempt of waiting.splice(0)) attempt.running.stop(0);
      const outcomes = [...running.values()].map((attempt) => {
        attempt.running.stop(0);
        return attempt.running.outcome;
      });
      await Promise.race([Promise.all(outcomes), new Promise((done) => setTimeout(done, stopPatienceMs).unref())]);
      await pool.stop();
      outOfMemory.close();
    },
  };
}

const executorWithoutPython: Executor = {
  run: (_task, sink) => {
    const message =
      'No Python was found. Install python3 (3.9 or newer), or make a `.venv` in the project, or set PENSTOCK_PYTHON.';
    sink({ at: new Date(), level: 'error', stream: 'system', message });
    const error = { type: 'PythonNotFound', message, stackTrace: null };
    return {
      outcome: Promise.resolve({ status: 'failed', error, outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null }),
      pid: Promise.resolve(null),
      stop: () => {},
    };
  },
  warm: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};
