import type { BlockRunStatus, PipelineRunStatus } from '../../src/domain/lifecycle.ts';

/** What is left behind when the chaos is over: the file that the blocks wrote, and the database. */
export type Evidence = {
  readonly journal: readonly JournalLine[];
  readonly runs: readonly RunRecord[];
  readonly blocks: readonly BlockRecord[];
  readonly attempts: readonly AttemptRecord[];
  /** In the order of their ids. */
  readonly events: readonly EventRecord[];
};

/** A block said by itself, outside of the store, that it began or that it reached its end. */
export type JournalLine = {
  readonly what: 'start' | 'end';
  readonly runId: number;
  readonly blockUuid: string;
  readonly fence: number;
  readonly pid: number;
  /** Monotonic; all processes of a machine share the clock. */
  readonly atNs: bigint;
};

export type RunRecord = {
  readonly id: number;
  readonly status: PipelineRunStatus;
  readonly eventSeq: number;
  readonly isDated: boolean;
  readonly reasonCode: string | null;
  /** As the run counts its block runs. */
  readonly counts: Readonly<Partial<Record<BlockRunStatus, number>>>;
};

export type BlockRecord = {
  readonly id: number;
  readonly runId: number;
  readonly uuid: string;
  readonly status: BlockRunStatus;
  readonly upstream: readonly number[];
};

export type AttemptRecord = {
  readonly blockRunId: number;
  readonly number: number;
  readonly runAttempt: number;
  readonly fence: number;
  readonly status: BlockRunStatus;
};

export type EventRecord = {
  readonly runId: number;
  readonly seq: number;
  readonly kind: string;
  readonly runAttempt: number;
  readonly blockRunId: number | null;
  readonly attempt: number | null;
  readonly from: string | null;
  readonly to: string | null;
};

/** What is wrong, in a sentence that names the run. */
export type Violation = { readonly rule: string; readonly message: string };

/** Reads the file: `start|end run block fence pid ns` a line. A last line that a SIGKILL cut short is no line. */
export function parseJournal(text: string): readonly JournalLine[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const match = /^(start|end) (\d+) (\S+) (\d+) (\d+) (\d+)$/.exec(line);
    if (!match) throw new Error(`The journal holds a line that no block writes: ${JSON.stringify(line)}`);
    const [, what, run, blockUuid, fence, pid, at] = match;
    return {
      what: what === 'start' ? 'start' : 'end',
      runId: Number(run),
      blockUuid: blockUuid!,
      fence: Number(fence),
      pid: Number(pid),
      atNs: BigInt(at!),
    };
  });
}
