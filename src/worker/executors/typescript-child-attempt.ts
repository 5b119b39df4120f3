import { setTimeout as pause } from 'node:timers/promises';
import type { Attempt } from './typescript-child-current.ts';
import { describeError } from './typescript-child-errors.ts';
import { findLeak, hasOpenResources } from './typescript-child-leaks.ts';
import { say } from './typescript-child-logs.ts';
import { type BlockResult, type BlockWork, runBlock } from './typescript-child-run.ts';
import type { ResultFrame } from './typescript-protocol.ts';

/** How an attempt ended, and whether it left something behind. */
export type AttemptEnding = {
  readonly told: Pick<ResultFrame, 'error' | 'stopped' | 'outputs' | 'tests' | 'notYet'>;
  readonly leak: boolean;
};

/** What a block has closed may need some turns of the event loop, and the kernel a moment, until it is gone. */
const quickLooks = 3;
const slowLooks = 8;
const slowLookMs = 2;

/** An attempt that has not begun. */
export function createAttempt(): Attempt {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  return { abort: new AbortController(), signalTaken: false, failed: promise, fail: reject };
}

/** Runs a block until it has an outcome and nothing of it is left, or will not go. Never rejects. */
export async function runToItsEnd(attempt: Attempt, work: BlockWork): Promise<AttemptEnding> {
  const told = await settle(attempt, work);
  await resourcesClosed();
  const leak = findLeak();
  if (leak !== null && told.error === null) say('system', 'warning', `The block ${leak}; its process is replaced.`);
  return { told, leak: leak !== null };
}

async function settle(attempt: Attempt, work: BlockWork): Promise<AttemptEnding['told']> {
  try {
    const result: BlockResult = await Promise.race([runBlock(work), attempt.failed]);
    // A promise that was rejected and forgotten is reported within a turn: it fails the attempt that forgot it.
    await Promise.race([turn(), attempt.failed]);
    return { error: null, stopped: false, ...result };
  } catch (error) {
    return { error: describeError(error), stopped: isAbort(error, attempt.abort.signal), outputs: [], tests: [] };
  } finally {
    work.asking.close();
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error as Error | null)?.name === 'AbortError');
}

async function resourcesClosed(): Promise<void> {
  for (let looks = 0; looks < quickLooks + slowLooks && hasOpenResources(); looks++) {
    await (looks < quickLooks ? turn() : pause(slowLookMs));
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
