import { constants } from 'node:os';
import type { AttemptOutcome, AttemptTask } from '../executor.ts';
import { storableText } from './log-lines.ts';
import { OutputNotReadable, type ShellOutput } from './shell-outputs.ts';
import type { ShellEnd } from './shell-process.ts';

/** All that is known at a script's end. */
export type EndOfShell = ShellEnd & {
  /** The end of what it wrote to stderr. */
  readonly lastWords: string;
  readonly stopRequested: boolean;
  /** The kernel killed a process for want of memory while the script ran. */
  readonly outOfMemoryKill: boolean;
};

/** The outcome of a shell block, by how it ended and what it left in `$OUTPUT`. A sensor says "not yet" by exit code 1, as `test` and `grep` do. */
export async function judgeShell(
  { blockUuid, blockType }: Pick<AttemptTask, 'blockUuid' | 'blockType'>,
  output: Pick<ShellOutput, 'collect'>,
  end: EndOfShell,
): Promise<AttemptOutcome> {
  const facts = { outputs: [], tests: [], cpuTimeMs: end.cpuTimeMs, maxRssBytes: end.maxRssBytes };
  if (end.exitCode === 0) {
    try {
      return { status: 'completed', ...facts, outputs: await output.collect() };
    } catch (error) {
      if (!(error instanceof OutputNotReadable)) throw error;
      return { status: 'failed', error: { type: error.name, message: error.message, stackTrace: null }, ...facts };
    }
  }
  if (end.stopRequested) return { status: 'stopped', ...facts };
  if (blockType === 'sensor' && end.exitCode === 1) return { status: 'not_yet', ...facts };
  const signal = end.signal ?? signalOf(end.exitCode ?? 0);
  if (signal !== null) {
    const outOfMemory = signal === 'SIGKILL' && end.outOfMemoryKill;
    const how = outOfMemory ? 'because memory ran out' : `by ${signal}`;
    return {
      status: 'process_died',
      message: `The script of block ${blockUuid} was killed ${how}.`,
      outOfMemory,
      ...facts,
    };
  }
  const said = lastLine(end.lastWords);
  const message = `The script of block ${blockUuid} ended with exit code ${end.exitCode}${said === '' ? '.' : `: ${said}`}`;
  return { status: 'failed', error: { type: 'ExitCode', message: storableText(message), stackTrace: null }, ...facts };
}

/** By the convention of shells, 128 + n stands for signal n: it ended the script, or the command that the script failed by. */
function signalOf(exitCode: number): string | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim().slice(0, 500) ?? '';
}
