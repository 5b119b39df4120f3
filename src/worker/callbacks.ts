import { setTimeout as pause } from 'node:timers/promises';
import type { RunError } from '../domain/lifecycle.ts';
import type { BlockDefinition } from '../domain/pipeline.ts';
import type { EngineContext } from '../engine/context.ts';
import { type EndCallbackInput, endCallbackRun } from '../engine/end-callback.ts';
import { attachedPath, outputPath } from '../outputs/output-path.ts';
import {
  type CallbackClaim,
  claimCallbacks,
  giveBackCallback,
  giveBackUnknownCallbacks,
} from '../store/callback-runs.ts';
import { type AttemptSetting, taskOf } from './attempt.ts';
import type { AttemptOutcome, RunningAttempt } from './executor.ts';

/** A callback that runs for longer is ended, in milliseconds. */
const longestMs = 60_000;

/** A worker looks by itself this often, in milliseconds: a callback run may have been made by another process, or given back. */
const pollMs = 5000;

/** After a report that the database did not take, in milliseconds. */
const retryMs = 500;

export type CallbacksOptions = {
  readonly context: EngineContext;
  readonly setting: AttemptSetting;
  readonly workerId: bigint;
  readonly label: string;
  /** How many run at once, beside the blocks in their slots. */
  readonly most: number;
  /** More or fewer run than before. */
  readonly onBusy: () => void;
  readonly onError: (what: string, error: unknown) => void;
};

export type Callbacks = {
  /** Callback runs may have been made. */
  readonly wake: () => void;
  /** How many run now. */
  readonly busy: () => number;
  /** Claims nothing more, ends what runs and gives it back. */
  readonly stop: (graceMs: number) => Promise<void>;
};

/** Runs callbacks: work of its own beside the blocks, so that neither waits for the other's slots. */
export function startCallbacks(options: CallbacksOptions): Callbacks {
  const { context, setting, workerId, label, most, onError } = options;
  const running = new Map<number, { readonly done: Promise<void>; readonly stop: (graceMs: number) => void }>();
  let open = true;
  let looking = false;
  let again = false;
  /** A poll also looks for claims whose answer was lost. */
  let isPoll = false;

  function wake(): void {
    if (!open) return;
    if (looking) again = true;
    else void look();
  }

  async function look(): Promise<void> {
    looking = true;
    try {
      do {
        again = false;
        const want = most - running.size;
        if (want <= 0) break;
        if (isPoll) await giveBackUnknownCallbacks(context.database.pool, workerId, [...running.keys()]);
        isPoll = false;
        const claims = await claimCallbacks(context.database.pool, workerId, label, want, context.now());
        for (const claim of claims) start(claim);
      } while (again && open);
    } catch (error) {
      onError('could not claim callbacks', error);
    } finally {
      looking = false;
    }
  }

  function start(claim: CallbackClaim): void {
    let attempt: RunningAttempt | null = null;
    let givenBack = false;
    const stop = (graceMs: number) => {
      givenBack = true;
      attempt?.stop(graceMs);
    };
    const done = run(claim, (started) => {
      attempt = started;
      if (givenBack) started.stop(0);
    })
      .then((error) => {
        const { id, fence, run: runId } = claim;
        if (givenBack) return giveBackCallback(context.database.pool, workerId, BigInt(id), fence);
        return report({ id: BigInt(id), runId: BigInt(runId), fence, workerId, error });
      })
      .catch((error: unknown) => onError('could not report a callback', error))
      .finally(() => {
        if (running.get(claim.id) === entry) running.delete(claim.id);
        options.onBusy();
        wake();
      });
    const entry = { done, stop };
    running.set(claim.id, entry);
    options.onBusy();
    // Stopped between the claim and now.
    if (!open) stop(0);
  }

  /** Until the store has it: its run waits for this. */
  async function report(end: EndCallbackInput): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        return await endCallbackRun(context, end);
      } catch (error) {
        if (!open) throw error;
        if (failures === 0) onError('could not report a callback yet', error);
        await pause(retryMs);
      }
    }
  }

  /** Runs one; what went wrong, null when nothing did. */
  async function run(claim: CallbackClaim, started: (attempt: RunningAttempt) => void): Promise<RunError | null> {
    const callback = await setting.contexts.callback(claim);
    const executor = callback && setting.executorOf(callback);
    if (!callback || !executor)
      return failure(claim, `The callback ${claim.uuid} has no code that this worker can run.`);
    const context = await setting.contexts.run(claim.run, claim.runAttempt);
    const log = (level: 'error', message: string) =>
      setting.logs.write({ at: setting.now(), level, stream: 'system', message, ...placeOf(claim) });
    const attempt = executor.run(taskOfCallback(setting, claim, callback, context), (entry) => {
      setting.logs.write({ ...entry, ...placeOf(claim) });
    });
    started(attempt);
    let isOver = false;
    const deadline = setTimeout(() => {
      isOver = true;
      attempt.stop(setting.graceMs);
    }, longestMs);
    const outcome = await attempt.outcome;
    clearTimeout(deadline);
    const error = errorOf(claim, outcome, isOver);
    if (error !== null) log('error', `The callback ${claim.uuid} failed: ${error.message}`);
    await setting.logs.flushed();
    return error;
  }

  const timer = setInterval(() => {
    isPoll = true;
    wake();
  }, pollMs);
  wake();
  return {
    wake,
    busy: () => running.size,
    async stop(graceMs) {
      open = false;
      clearInterval(timer);
      for (const each of running.values()) each.stop(graceMs);
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

function placeOf(claim: CallbackClaim) {
  return {
    pipelineRunId: claim.run,
    blockRunId: claim.blockRun,
    blockUuid: claim.uuid,
    attempt: claim.attempt,
  };
}

/** After success the block's output is its argument; else `[]`, and the error beside it. */
function taskOfCallback(
  setting: AttemptSetting,
  claim: CallbackClaim,
  callback: BlockDefinition,
  context: Parameters<typeof taskOf>[3],
) {
  const { kind, blockUuid } = claim;
  return {
    ...taskOf(setting, { ...claim, id: claim.blockRun, retries: 0, inputs: null }, callback, context),
    outputPath: attachedPath(outputPath(claim.run, blockUuid, claim.blockFence), claim.uuid),
    inputs: [
      {
        blockUuid,
        status: 'completed' as const,
        outputs: kind === 'success' ? (claim.outputs ?? []) : [],
      },
    ],
    parent: {
      blockUuid,
      runStatus: claim.runStatus,
      callback: { status: kind, error: kind === 'failure' ? claim.error : null },
    },
  };
}

function errorOf(claim: CallbackClaim, outcome: AttemptOutcome, isOver: boolean): RunError | null {
  if (isOver) return failure(claim, `It ran longer than ${longestMs / 1000} s.`);
  switch (outcome.status) {
    case 'completed':
    case 'not_yet':
    case 'tests_failed':
      return null;
    case 'failed':
      return { ...outcome.error, blockUuid: claim.uuid };
    case 'process_died':
      return failure(claim, outcome.message);
    case 'stopped':
      return failure(claim, 'Its process was stopped from outside.');
  }
}

function failure(claim: CallbackClaim, message: string): RunError {
  return { blockUuid: claim.uuid, type: null, message, stackTrace: null };
}
