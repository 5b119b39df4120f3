import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptOutcome, AttemptResult, AttemptTask, Executor, LogSink, Watchdog } from '../executor.ts';
import { openOutOfMemoryCounter } from './out-of-memory.ts';
import { variablesAsEnvironment } from './shell-environment.ts';
import { inputFiles } from './shell-inputs.ts';
import { judgeShell } from './shell-outcome.ts';
import { prepareOutput } from './shell-outputs.ts';
import { type ShellProcess, startShell } from './shell-process.ts';
import { createAttemptLog } from './typescript-attempt-log.ts';
import { blockEnvironment } from './typescript-launch.ts';

export type ShellExecutorOptions = {
  /** Absolute path of the project folder. */
  readonly projectDir: string;
  readonly watchdog: Watchdog;
  /** What blocks get as their environment, less our own secrets. Default: this process' own. */
  readonly env?: NodeJS.ProcessEnv;
};

const nothing: AttemptResult = { outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null };

/**
 * Runs shell blocks, each in a bash of its own with `set -euo pipefail`: variables as `VAR_<NAME>`, what the upstream blocks
 * gave as files named in `$INPUT_1 …`, and what it gives in the file `$OUTPUT`.
 */
export function createShellExecutor(options: ShellExecutorOptions): Executor {
  const env = blockEnvironment(options.env ?? process.env, options.projectDir);
  const outOfMemory = openOutOfMemoryCounter();
  const running = new Set<{ readonly stop: (graceMs: number) => void; readonly outcome: Promise<AttemptOutcome> }>();
  let closed = false;

  function run(task: AttemptTask, sink: LogSink) {
    const pid = Promise.withResolvers<number | null>();
    let shell: ShellProcess | null = null;
    let stopWithin: number | null = closed ? 0 : null;

    async function attempt(): Promise<AttemptOutcome> {
      // Inline values of the upstream blocks lie here while the script runs; it goes with the outputs of the run at the latest.
      const scratch = join(task.outputsRoot, task.outputPath, 'inputs');
      await mkdir(scratch, { recursive: true });
      try {
        const output = await prepareOutput(task);
        const given = {
          ...env,
          ...variablesAsEnvironment(task.variables),
          ...(await inputFiles(task.inputs, task.outputsRoot, scratch)),
          ...output.environment,
        };
        if (stopWithin !== null) return { status: 'stopped', ...nothing };
        const log = createAttemptLog(sink);
        const killsBefore = outOfMemory.read();
        let lastWords = '';
        shell = await startShell(
          { ...task, projectDir: options.projectDir, env: given },
          options.watchdog,
          (stream, bytes) => {
            log.raw(stream, bytes);
            if (stream === 'stderr') lastWords = (lastWords + bytes.toString()).slice(-4_000);
          },
        );
        pid.resolve(shell.pid);
        if (stopWithin !== null) shell.stop(stopWithin);
        const end = await shell.end;
        log.end();
        return await judgeShell(task, output, {
          ...end,
          lastWords,
          stopRequested: stopWithin !== null,
          outOfMemoryKill: outOfMemory.read() > killsBefore,
        });
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    }

    const outcome = attempt()
      .catch((error: NodeJS.ErrnoException): AttemptOutcome => {
        const message =
          error.syscall === 'spawn bash' && error.code === 'ENOENT'
            ? 'No bash was found: shell blocks need it.'
            : error.message;
        return { status: 'failed', error: { type: error.name, message, stackTrace: null }, ...nothing };
      })
      .finally(() => pid.resolve(null));
    const started = {
      outcome,
      pid: pid.promise,
      stop: (graceMs: number) => {
        stopWithin = Math.min(graceMs, stopWithin ?? graceMs);
        shell?.stop(graceMs);
      },
    };
    running.add(started);
    outcome.then(() => running.delete(started));
    return started;
  }

  return {
    run,
    warm: () => Promise.resolve(), // A bash starts within a millisecond or two.
    stop: async () => {
      closed = true;
      for (const attempt of running) attempt.stop(0);
      await Promise.all([...running].map((attempt) => attempt.outcome));
      outOfMemory.close();
    },
  };
}
