import { getEventListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { hear, openAsking } from './typescript-child-asking.ts';
import { createAttempt, runToItsEnd } from './typescript-child-attempt.ts';
import { channelFd, markRawOutput, send } from './typescript-child-channel.ts';
import { currentAttempt, enter, leave } from './typescript-child-current.ts';
import { BlockMistake } from './typescript-child-errors.ts';
import { rawOutputIsPossible, resetLeakFlags, startedProcesses, watchForLeaks } from './typescript-child-leaks.ts';
import { captureOutput } from './typescript-child-logs.ts';
import { createBlockModules } from './typescript-child-modules.ts';
import { createUsageMeter } from './typescript-child-usage.ts';
import { type AnswerFrame, createFrameReader, type GoFrame, type TaskFrame } from './typescript-protocol.ts';

/**
 * The process that runs TypeScript blocks: it waits for tasks on descriptor 3 and runs them one after the other. It is its own
 * process group, and whenever it ends, whatever blocks have started in that group ends with it.
 */

/** After so many attempts, or above so much memory, a fresh process is better. */
const mostAttempts = 100_000;
const mostRssBytes = 256 * 1024 ** 2;
const projectDir = process.argv[2] ?? '';
// A block may take `process` itself away.
const { kill, pid } = process;
const modules = createBlockModules();
const usage = createUsageMeter();
const channel = new Socket({ fd: channelFd, readable: true, writable: false });
let attempts = 0;
let broken = false;
let variables = '{}';
let held: TaskFrame | null = null;

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
  createFrameReader((line) => {
    const frame = JSON.parse(line) as TaskFrame | AnswerFrame | GoFrame;
    if ('answerTo' in frame) hear(frame);
    else if ('go' in frame) goOn();
    else if (frame.isHeld) held = frame;
    else serve(frame);
  }),
);
// The worker is gone, and so are we and all that blocks have started.
channel.on('close', end);
send({ type: 'ready' });

function goOn(): void {
  const task = held;
  held = null;
  if (task !== null) serve(task);
}

/** A block may have broken what everybody needs (JSON, timers, arrays): then its process ends, which is told, and does not hang. */
function serve(task: TaskFrame): void {
  serveOnce(task).catch(end);
}

async function serveOnce(task: TaskFrame): Promise<void> {
  variables = task.variables ?? variables;
  if (modules.isStale(task.file, task.source !== null)) {
    send({ type: 'stale' });
    return end();
  }
  // While an attempt runs, only its own work keeps the event loop going: so we notice when none is left.
  channel.unref();
  usage.start();
  const attempt = createAttempt();
  const asking = openAsking({ send, hold: (isHeld) => (isHeld ? channel.ref() : channel.unref()) }, attempt);
  const ending = await enter(attempt, () =>
    runToItsEnd(attempt, { task, variables, projectDir, modules, attempt, asking }),
  );
  attempts++;
  const rawOutput = rawOutputIsPossible();
  if (rawOutput) markRawOutput();
  const used = usage.stop(startedProcesses());
  const ends = ending.leak || broken || isWornOut(used.maxRssBytes) || !modules.has(task.file);
  send({ type: 'result', ...ending.told, ...used, rawOutput, ends });
  if (ends) return end();
  leave();
  resetLeakFlags();
  channel.ref();
}

function isWornOut(maxRssBytes: number | null): boolean {
  return attempts >= mostAttempts || (maxRssBytes ?? 0) > mostRssBytes;
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
  const attempt = currentAttempt();
  // A block that listens for its end waits for something that can come.
  if (attempt && getEventListeners(attempt.abort.signal, 'abort').length > 0) return;
  attempt?.fail(
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
  kill(-pid, 'SIGKILL');
}

/** When memory runs out, the kernel should end a block and not the server. */
function letTheKernelPreferUs(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux: there is nothing to prefer.
  }
}
