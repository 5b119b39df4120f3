import type { AttemptError, AttemptOutcome, AttemptResult } from '../executor.ts';
import { storableText } from './log-lines.ts';
import type { ResultFrame } from './typescript-protocol.ts';

/** How a child process ended. */
export type ChildEnd = {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last it wrote to stderr itself: what V8 says when it gives up. */
  readonly lastWords: string;
  /** The kernel killed a process for want of memory while the attempt ran. */
  readonly outOfMemoryKill: boolean;
};

/** The outcome of an attempt that gave a result. */
export function outcomeOfResult(result: ResultFrame, stopRequested: boolean): AttemptOutcome {
  const facts: AttemptResult = {
    outputs: result.outputs,
    tests: result.tests,
    cpuTimeMs: result.cpuTimeMs,
    maxRssBytes: result.maxRssBytes,
  };
  if (result.stopped && stopRequested) return { status: 'stopped', ...facts };
  if (result.error !== null) return { status: 'failed', error: storableError(result.error), ...facts };
  if (result.notYet) return { status: 'not_yet', ...facts };
  if (result.tests.every((test) => test.passed)) return { status: 'completed', ...facts };
  const tests = result.tests.map((test) => ({ ...test, message: test.message && storableText(test.message) }));
  return { status: 'tests_failed', ...facts, tests };
}

/** The outcome of an attempt whose process ended without a result. */
export function outcomeOfDeath(blockUuid: string, end: ChildEnd, stopRequested: boolean): AttemptOutcome {
  if (stopRequested) return { status: 'stopped', ...nothing };
  const heapIsFull = /heap out of memory|Allocation failed|Ineffective mark-compacts/.test(end.lastWords);
  const outOfMemory = heapIsFull || (end.signal === 'SIGKILL' && end.outOfMemoryKill);
  return {
    status: 'process_died',
    message: deathMessage(blockUuid, end, heapIsFull, outOfMemory),
    outOfMemory,
    ...nothing,
  };
}

/** The outcome of an attempt that could not be started. */
export function outcomeOfFailure(error: AttemptError): AttemptOutcome {
  return { status: 'failed', error: storableError(error), ...nothing };
}

/** The outcome of an attempt that was stopped before it ran. */
export const stoppedUnstarted: AttemptOutcome = {
  status: 'stopped',
  outputs: [],
  tests: [],
  cpuTimeMs: null,
  maxRssBytes: null,
};

const nothing: AttemptResult = { outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null };

function deathMessage(blockUuid: string, end: ChildEnd, heapIsFull: boolean, outOfMemory: boolean): string {
  const subject = `The process of block ${blockUuid}`;
  if (heapIsFull) {
    return `${subject} needed more memory than its JavaScript heap may have: yield rows from a generator, or allow more with NODE_OPTIONS=--max-old-space-size=<MB>.`;
  }
  if (outOfMemory) return `${subject} was killed because memory ran out.`;
  if (end.signal) return `${subject} was killed by ${end.signal}.`;
  return `${subject} ended itself with exit code ${end.exitCode} before the block returned.`;
}

/** Postgres holds no NUL and no half of a surrogate pair. */
function storableError(error: AttemptError): AttemptError {
  return {
    type: storableText(error.type),
    message: storableText(error.message),
    stackTrace: error.stackTrace && storableText(error.stackTrace),
  };
}
