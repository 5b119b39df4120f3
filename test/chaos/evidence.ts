import type { BlockRunStatus, PipelineRunStatus } from '../../src/domain/lifecycle.ts';

/** What is left behind when the chaos is over: the file that the blocks wrote, and the database. */
export type Evidence = {
  readonly journal: readonly JournalLine[];
  readonly runs: readonly RunRecord[];
  readonly blocks: readonly BlockRecord[];
  readonly attempts: readonly AttemptRecord[];
  readonly callbacks: readonly CallbackRecord[];
  /** In the order of their ids. */
  readonly events: readonly EventRecord[];
};

/**
 * What a block says by itself, outside of the store: that it began or reached its end; a sensor, that it said no; and those that are attached
 * to a block: that they let it in or kept it out, or were told how it ended.
 */
const sayings = [
  'start',
  'end',
  'not_yet',
  'let_in',
  'kept_out',
  'told_success',
  'told_failure',
  'told_cancelled',
] as const;
export type Saying = (typeof sayings)[number];

export type JournalLine = {
  readonly what: Saying;
  readonly runId: number;
  /** Of what is attached: the block that it is attached to. */
  readonly blockUuid: string;
  /** Of a callback: its own, else that of the block. */
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
  readonly attempt: number;
  readonly hasStarted: boolean;
  readonly callbacks: readonly string[];
};

export type CallbackRecord = {
  readonly runId: number;
  readonly blockRunId: number;
  readonly attempt: number;
  readonly uuid: string;
  readonly kind: 'success' | 'failure' | 'cancelled';
  readonly status: 'queued' | 'running' | 'completed' | 'failed';
  /** Whether it ended after the attempt of the run to which it belongs. */
  readonly outlivesRun: boolean;
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

/** Reads the file: what, run, block, fence, pid and nanoseconds a line. A last line that a SIGKILL cut short is no line. */
export function parseJournal(text: string): readonly JournalLine[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const match = /^(\w+) (\d+) (\S+) (\d+) (\d+) (\d+)$/.exec(line);
    const saying = sayings.find((each) => each === match?.[1]);
    if (!match || !saying) throw new Error(`The journal holds a line that no block writes: ${JSON.stringify(line)}`);
    const [, , run, blockUuid, fence, pid, at] = match;
    return {
      what: saying,
      runId: Number(run),
      blockUuid: blockUuid!,
      fence: Number(fence),
      pid: Number(pid),
      atNs: BigInt(at!),
    };
  });
}
