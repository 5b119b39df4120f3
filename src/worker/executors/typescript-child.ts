import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { channelFd, markRawOutput, send } from './typescript-child-channel.ts';
import { type Attempt, currentAttempt, enter, leave } from './typescript-child-current.ts';
import { BlockMistake, describeError } from './typescript-child-errors.ts';
import {
  findLeak,
  hasOpenResources,
  rawOutputIsPossible,
  resetLeakFlags,
  startedProcesses,
  watchForLeaks,
} from './typescript-child-leaks.ts';
import { captureOutput, say } from './typescript-child-logs.ts';
import { createBlockModules } from './typescript-child-modules.ts';
import { runBlock } from './typescript-child-run.ts';
import { createUsageMeter } from './typescript-child-usage.ts';
import { createFrameReader, type ResultFrame, type TaskFrame } from './typescript-protocol.ts';

/**
 * The process that runs TypeScript blocks: it waits for tasks on descriptor 3 and runs them one after the other. It is its own
 * process group, and whenever it ends, whatever blocks have started in that group ends with it.
 */

/** After so many attempts, or above so much memory, a fresh process is better. */
const mostAttempts = 100_000;
const mostRssBytes = 256 * 1024 ** 2;
/** What a block has closed may need some turns of the event loop, and the kernel a moment, until it is gone. */
const quickLooks = 3;
const slowLooks = 8;
const slowLookMs = 2;

const projectDir = process.argv[2] ?? '';
const modules = createBlockModules();
const usage = createUsageMeter();
const channel = new Socket({ fd: channelFd, readable: true, writable: false });
let attempts = 0;
let broken = false;
let variables = '{}';

letTheKernelPreferUs();
captureOutput();
process.on('uncaughtException', onStrayError);
process.on('unhandledRejection', onStrayError);
process.on('beforeExit', onNothingLeft);
process.on('SIGTERM', onStop);
watchForLeaks();

channel.setEncoding('utf8');
channel.on(
  'data',
  createFrameReader((line) => void serve(JSON.parse(line) as TaskFrame)),
);
// The worker is gone, and so are we and all that blocks have started.
channel.on('close', end);
send({ type: 'ready' });

async function serve(task: TaskFrame): Promise<void> {
  variables = task.variables ?? variables;
  if (modules.isStale(task.file, task.source !== null)) {
    send({ type: 'stale' });
    return end();
  }
  // While an attempt runs, only its own work keeps the event loop going: so we notice when none is left.
  channel.unref();
  usage.start();
  const result = await runAttempt(task);
  if (result.ends) return end();
  leave();
  resetLeakFlags();
  channel.ref();
}

async function runAttempt(task: TaskFrame): Promise<ResultFrame> {
  const stray = Promise.withResolvers<never>();
  let failure: { readonly error: unknown } | null = null;
  const attempt: Attempt = {
    abort: new AbortController(),
    signalTaken: false,
    fail: (error) => {
      failure ??= { error };
      stray.reject(error);
    },
  };
  stray.promise.catch(() => {});
  let done: Awaited<ReturnType<typeof runBlock>> | null = null;
  try {
    done = await Promise.race([
      enter(attempt, () => runBlock({ task, variables, projectDir, modules, attempt })),
      stray.promise,
    ]);
  } catch (error) {
    failure ??= { error };
  }
  // One turn, so that a promise that was rejected and forgotten fails the attempt that forgot it.
  await turn();
  for (let looks = 0; looks < quickLooks + slowLooks && hasOpenResources(); looks++) {
    await (looks < quickLooks ? turn() : pause(slowLookMs));
  }

  const leak = findLeak();
  if (leak !== null && failure === null) say('system', 'warning', `The block ${leak}; its process is replaced.`);
  const used = usage.stop(startedProcesses());
  const rawOutput = rawOutputIsPossible();
  attempts++;
  if (rawOutput) markRawOutput();
  const result: ResultFrame = {
    type: 'result',
    error: failure === null ? null : describeError((failure as { error: unknown }).error),
    stopped: failure !== null && isAbort((failure as { error: unknown }).error, attempt),
    outputs: failure === null ? (done?.outputs ?? []) : [],
    tests: failure === null ? (done?.tests ?? []) : [],
    ...used,
    rawOutput,
    ends:
      leak !== null ||
      broken ||
      !modules.has(task.file) ||
      attempts >= mostAttempts ||
      (used.maxRssBytes ?? 0) > mostRssBytes,
  };
  send(result);
  return result;
}

function isAbort(error: unknown, attempt: Attempt): boolean {
  const signal = attempt.abort.signal;
  return signal.aborted && (error === signal.reason || (error as Error | null)?.name === 'AbortError');
}

/** An exception that no code of the block caught. The process may be in any state: it is not used again. */
function onStrayError(error: unknown): void {
  broken = true;
  const attempt = currentAttempt();
  if (attempt === null) leaveForGood();
  else attempt.fail(error);
}

function onNothingLeft(): void {
  channel.ref();
  currentAttempt()?.fail(
    new BlockMistake(
      'NeverSettled',
      'The block waits for something that can not come any more: its promise is pending, but no timer, socket or file is left that could settle it.',
    ),
  );
}

/** SIGTERM: a block that took `signal`, handles SIGTERM or has processes running gets time; any other one is ended now. */
function onStop(): void {
  const attempt = currentAttempt();
  if (attempt === null) {
    leaveForGood();
    return;
  }
  attempt.abort.abort(new DOMException('The attempt was asked to stop.', 'AbortError'));
  const reacts = attempt.signalTaken || startedProcesses() || process.listenerCount('SIGTERM') > 1;
  if (!reacts) end();
}

function leaveForGood(): void {
  send({ type: 'leaving' });
  end();
}

function end(): void {
  process.kill(-process.pid, 'SIGKILL');
}

/** When memory runs out, the kernel should end a block and not the server. */
function letTheKernelPreferUs(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux: there is nothing to prefer.
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
