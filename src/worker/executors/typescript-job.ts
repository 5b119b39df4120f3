import type { Answerer, AttemptOutcome, AttemptTask, LogSink } from '../executor.ts';
import { type AttemptLog, createAttemptLog } from './typescript-attempt-log.ts';
import type { BlockSource } from './typescript-protocol.ts';

/** One attempt on its way through the pool. */
export type Job = {
  readonly task: AttemptTask;
  readonly codeId: string;
  readonly source: BlockSource;
  readonly queuedAt: number;
  readonly log: () => AttemptLog;
  readonly outcome: Promise<AttemptOutcome>;
  readonly pid: Promise<number | null>;
  readonly started: (pid: number) => void;
  readonly settle: (outcome: AttemptOutcome) => void;
  readonly isSettled: () => boolean;
  /** Answers what its code asks. */
  readonly answer: Answerer;
  /** How many answers it waits for: then its process is one more than there are slots. */
  asking: number;
  stopRequested: boolean;
  /** Its code must not run yet. */
  isHeld: boolean;
};

export function createJob(
  task: AttemptTask,
  code: { readonly id: string; readonly source: BlockSource },
  sink: LogSink,
  answer: Answerer,
): Job {
  const outcome = Promise.withResolvers<AttemptOutcome>();
  const pid = Promise.withResolvers<number | null>();
  let log: AttemptLog | null = null;
  let settled = false;
  return {
    task,
    codeId: code.id,
    source: code.source,
    queuedAt: performance.now(),
    log: () => {
      log ??= createAttemptLog(sink);
      return log;
    },
    outcome: outcome.promise,
    pid: pid.promise,
    started: pid.resolve,
    settle: (given) => {
      settled = true;
      log?.end();
      pid.resolve(null);
      outcome.resolve(given);
    },
    isSettled: () => settled,
    answer,
    asking: 0,
    stopRequested: false,
    isHeld: false,
  };
}
