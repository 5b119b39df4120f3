import type { BlockTestResult, OutputManifest } from '../../domain/outputs.ts';
import type { AttemptError, AttemptOutcome, AttemptResult } from '../executor.ts';
import { storableText } from './log-lines.ts';

/** What the runner tells at the end of a task (penstock_runner/attempt.py). */
export type RunnerResult = {
  readonly status: 'completed' | 'not_yet' | 'tests_failed' | 'failed' | 'stopped';
  readonly error: AttemptError | null;
  readonly outputs: readonly OutputManifest[];
  readonly tests: readonly BlockTestResult[];
  readonly cpuTimeMs: number;
  readonly maxRssBytes: number;
  /**
   * True when nothing can follow: it never had a child process, and nothing it wrote is still on another way. All that is left of it
   * is its exit, which nobody needs to wait for.
   */
  readonly isLastWord?: boolean;
  /** Of the libraries worth preloading, those that the block has imported. */
  readonly modules: readonly string[];
};

/** How a child ended, from the fork server (wait4). */
export type ChildEnd = {
  readonly pid: number;
  /** False: it died before it began with its task, so nothing of the block has run. */
  readonly hasBegun: boolean;
  /** SIGKILL …, when a signal ended it. */
  readonly signal: string | null;
  readonly exitCode: number | null;
  readonly cpuTimeMs: number;
  readonly maxRssBytes: number;
};

export type EndOfAttempt = {
  readonly blockUuid: string;
  readonly result: RunnerResult | null;
  /** Null when the fork server died, so that nobody could tell. */
  readonly end: ChildEnd | null;
  /** CPU time the child had used before it got the task. */
  readonly cpuTimeBeforeMs: number;
  readonly stopRequested: boolean;
  readonly outOfMemoryKills: number;
};

/** The outcome, from all that is known at an attempt's end. */
export function outcomeOf(known: EndOfAttempt): AttemptOutcome {
  const { result, end } = known;
  const facts = attemptResult(known);
  if (result === null) {
    if (known.stopRequested) return { status: 'stopped', ...facts };
    const outOfMemory = end?.signal === 'SIGKILL' && known.outOfMemoryKills > 0;
    return { status: 'process_died', message: deathMessage(known.blockUuid, end, outOfMemory), outOfMemory, ...facts };
  }
  if (result.status === 'stopped') return { status: 'stopped', ...facts };
  if (result.status === 'failed') return { status: 'failed', error: storableError(result.error), ...facts };
  return { status: result.status, ...facts };
}

function attemptResult({ result, end, cpuTimeBeforeMs }: EndOfAttempt): AttemptResult {
  const cpu = end?.cpuTimeMs ?? result?.cpuTimeMs ?? null;
  return {
    outputs: result?.outputs ?? [],
    tests: (result?.tests ?? []).map((test) => ({ ...test, message: test.message && storableText(test.message) })),
    cpuTimeMs: cpu === null ? null : Math.max(0, Math.round((cpu - cpuTimeBeforeMs) * 1000) / 1000),
    // The peak begins with the pages shared with the fork server, since the kernel counts them as resident.
    maxRssBytes: end?.maxRssBytes ?? result?.maxRssBytes ?? null,
  };
}

function storableError(error: AttemptError | null): AttemptError {
  if (error === null) return { type: 'Error', message: 'The block failed without an error.', stackTrace: null };
  return {
    type: error.type,
    message: storableText(error.message),
    stackTrace: error.stackTrace && storableText(error.stackTrace),
  };
}

function deathMessage(blockUuid: string, end: ChildEnd | null, outOfMemory: boolean): string {
  if (end === null) return `The process of block \`${blockUuid}\` ended with its Python fork server, which died.`;
  if (outOfMemory) return `The process of block \`${blockUuid}\` was killed because memory ran out.`;
  if (end.signal) return `The process of block \`${blockUuid}\` was killed by ${end.signal}.`;
  return `The process of block \`${blockUuid}\` ended itself with exit code ${end.exitCode} before the block returned.`;
}
