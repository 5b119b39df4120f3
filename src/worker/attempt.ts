import { join } from 'node:path';
import { judgeAttempt, type StopCause } from '../domain/attempt-end.ts';
import { type ConditionAnswer, judgeConditions, type Skip } from '../domain/condition.ts';
import type { RunError } from '../domain/lifecycle.ts';
import type { BlockDefinition } from '../domain/pipeline.ts';
import { attachedPath, outputPath } from '../outputs/output-path.ts';
import type { NewLogLine } from '../store/log-lines.ts';
import type { Claim, Finish } from '../store/step.ts';
import type { BlockCalls } from './block-calls.ts';
import type {
  Answerer,
  AttemptInput,
  AttemptOutcome,
  AttemptTask,
  Executor,
  LogSink,
  RunningAttempt,
} from './executor.ts';
import type { LogWriter } from './log-writer.ts';
import type { RunContext, RunContexts } from './run-contexts.ts';

/** More lines of one attempt than this are counted, not kept. */
const maxLinesPerAttempt = 100_000;

/** What an attempt needs from its worker. */
export type AttemptSetting = {
  readonly contexts: RunContexts;
  readonly executorOf: (block: BlockDefinition) => Executor | null;
  readonly projectDir: string;
  readonly outputsRoot: string;
  readonly logs: LogWriter;
  readonly openCalls: (claim: Claim) => BlockCalls;
  readonly now: () => Date;
  /** How long an attempt that is told to stop may take before it is killed, in milliseconds. */
  readonly graceMs: number;
};

/** One attempt from claim to report. */
export type Attempt = {
  readonly claim: Claim;
  readonly startedAt: Date;
  /** Settles with the report; never rejects. */
  readonly finish: Promise<Finish>;
  readonly pid: () => number | null;
  /** Whether its code waits for a run that it has started, and so needs no slot. */
  readonly isWaiting: () => boolean;
  readonly stop: (cause: Exclude<StopCause, null>, graceMs: number) => void;
};

/** When an attempt may begin. */
export type Start = {
  /** Nothing is done before this settles. */
  readonly after?: Promise<unknown> | undefined;
  /** Nor before this does: with true when it has a slot of its worker, with false when it is to be given back. */
  readonly slot?: Promise<boolean> | null;
  /** None of the block's code runs before this settles with true. With false nobody hears of the attempt: it never was. */
  readonly go?: Promise<boolean>;
};

/** Runs a claimed block: prepare → start → stream logs → collect → judge. */
export function runAttempt(setting: AttemptSetting, claim: Claim, { after, slot, go }: Start = {}): Attempt {
  let running: RunningAttempt | null = null;
  let stopCause: StopCause = null;
  /** Of the newest request to stop: how long it leaves. */
  let stopGraceMs = setting.graceMs;
  let pid: number | null = null;
  const calls = setting.openCalls(claim);

  const stop: Attempt['stop'] = (cause, graceMs) => {
    stopCause ??= cause;
    stopGraceMs = graceMs;
    running?.stop(graceMs);
  };

  async function execute(): Promise<Finish> {
    await after;
    if (slot && !(await slot)) return withoutSlot(claim, setting.now());
    const log = startLog(setting, claim);
    const placed = await setting.contexts.block(claim.pipeline, claim.version, claim.uuid);
    const block = placed?.block;
    const executor = block && setting.executorOf(block);
    if (!block || block.file === null || block.code === null || !executor) {
      return failedToStart(claim, `Block ${claim.uuid} has no code that this worker can run.`);
    }
    // Told to stop before it began, or a sensor whose deadline has passed between two calls: it is not asked again.
    const over = stopCause ?? (claim.calls && claim.timeoutSeconds === 0 ? 'timeout' : null);
    if (over !== null) {
      await calls.end();
      return report(claim, block, unasked, { stopCause: over, now: setting.now(), droppedLines: 0, pid });
    }
    const run = await setting.contexts.run(claim.run, claim.runAttempt);
    const deadline =
      claim.timeoutSeconds === null
        ? undefined
        : setTimeout(() => stop('timeout', setting.graceMs), claim.timeoutSeconds * 1000);
    // Asked once: what is tried again has been let in.
    const conditionals = claim.retries === 0 && !claim.calls ? await setting.contexts.conditionals(claim, block) : [];
    if (go && (conditionals.length > 0 || !executor.holds) && !(await go)) return givenBack(claim);
    const skip = conditionals.length === 0 ? null : await askConditionals(conditionals, run, log.sink);
    const outcome = skip ?? (await carryOut(executor, taskOf(setting, claim, block, run), log.sink, calls.answer, go));
    clearTimeout(deadline);
    await calls.end();
    const droppedLines = await log.flushed();
    if ('code' in outcome) return { ...skipped(claim, outcome), droppedLines, pid };
    const end = report(claim, block, outcome, { stopCause, now: setting.now(), droppedLines, pid });
    return placed?.hasLoneFollower ? { ...end, leading: claim } : end;
  }

  function carryOut(
    executor: Executor,
    task: AttemptTask,
    sink: LogSink,
    answer?: Answerer,
    go?: Promise<boolean>,
  ): Promise<AttemptOutcome> {
    running = executor.run(task, sink, answer, executor.holds ? go : undefined);
    running.pid.then((known) => {
      pid = known;
    });
    if (stopCause !== null) running.stop(stopGraceMs);
    return running.outcome;
  }

  /** All of them, each once; why the block is skipped, null when it is not, or the outcome of one that was stopped. */
  async function askConditionals(
    conditionals: readonly BlockDefinition[],
    run: RunContext,
    sink: LogSink,
  ): Promise<Skip | AttemptOutcome | null> {
    const answers: ConditionAnswer[] = [];
    for (const conditional of conditionals) {
      const executor = setting.executorOf(conditional);
      if (executor === null) {
        answers.push({ uuid: conditional.uuid, error: noExecutor(conditional) });
        continue;
      }
      const outcome = await carryOut(executor, conditionTaskOf(setting, claim, conditional, run), sink);
      if (stopCause !== null) return outcome.status === 'completed' ? { ...outcome, status: 'stopped' } : outcome;
      answers.push(conditionAnswer(conditional.uuid, outcome));
    }
    return judgeConditions(answers);
  }

  const finish = execute().catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    return failedToStart(claim, `Block ${claim.uuid} could not be started: ${message}`);
  });
  return { claim, startedAt: setting.now(), finish, pid: () => pid, isWaiting: calls.isWaiting, stop };
}

/** What an executor needs to run a block of a claim. */
export function taskOf(
  setting: Pick<AttemptSetting, 'projectDir' | 'outputsRoot'>,
  claim: Pick<Claim, 'id' | 'run' | 'pipeline' | 'uuid' | 'attempt' | 'retries' | 'fence' | 'inputs'>,
  block: BlockDefinition,
  { variables, timezone }: RunContext,
): AttemptTask {
  return {
    pipelineRunId: claim.run,
    blockRunId: claim.id,
    pipelineUuid: claim.pipeline,
    blockUuid: block.uuid,
    blockType: block.type,
    attempt: claim.attempt,
    retryAttempt: claim.retries + 1,
    fence: claim.fence,
    file: join(setting.projectDir, block.file ?? ''),
    code: block.code ?? '',
    configuration: block.configuration,
    variables,
    timezone,
    inputs: (claim.inputs ?? []).map(inputOf),
    outputsRoot: setting.outputsRoot,
    outputPath: outputPath(claim.run, claim.uuid, claim.fence),
  };
}

/** A conditional is asked with what its block would get, and leaves its answer beside the block's outputs. */
function conditionTaskOf(
  setting: AttemptSetting,
  claim: Claim,
  conditional: BlockDefinition,
  run: RunContext,
): AttemptTask {
  return {
    ...taskOf(setting, claim, conditional, run),
    outputPath: attachedPath(outputPath(claim.run, claim.uuid, claim.fence), conditional.uuid),
    parent: { blockUuid: claim.uuid, runStatus: 'running' },
  };
}

function conditionAnswer(uuid: string, outcome: AttemptOutcome): ConditionAnswer {
  if (outcome.status === 'completed') return { uuid, said: Boolean(outcome.outputs[0]?.inline) };
  const error =
    outcome.status === 'failed'
      ? { ...outcome.error, blockUuid: uuid }
      : { blockUuid: uuid, type: 'ProcessDied', message: diedMessageOf(outcome), stackTrace: null };
  return { uuid, error };
}

function noExecutor(block: BlockDefinition): RunError {
  const message = `This worker can't run a block written in ${block.language}.`;
  return { blockUuid: block.uuid, type: null, message, stackTrace: null };
}

function diedMessageOf(outcome: AttemptOutcome): string {
  return outcome.status === 'process_died' ? outcome.message : 'Its process was stopped from outside.';
}

function inputOf(upstream: NonNullable<Claim['inputs']>[number]): AttemptInput {
  const completed = upstream.status === 'completed';
  return {
    blockUuid: upstream.uuid,
    status: completed ? 'completed' : upstream.status === 'condition_failed' ? 'skipped' : 'failed',
    outputs: completed ? (upstream.outputs ?? []) : [],
  };
}

function startLog(setting: AttemptSetting, claim: Claim) {
  let lines = 0;
  let dropped = 0;
  const write = (line: Pick<NewLogLine, 'at' | 'level' | 'stream' | 'message'>) =>
    setting.logs.write({
      ...line,
      pipelineRunId: claim.run,
      blockRunId: claim.id,
      blockUuid: claim.uuid,
      attempt: claim.attempt,
    });
  return {
    sink: (entry: Pick<NewLogLine, 'at' | 'level' | 'stream' | 'message'>) => {
      if (lines >= maxLinesPerAttempt || !write(entry)) dropped++;
      else lines++;
    },
    /** Waits until what was logged is stored, so that nobody sees an end before its last line. Answers how many lines were dropped. */
    async flushed(): Promise<number> {
      if (dropped > 0) {
        write({
          at: setting.now(),
          level: 'warning',
          stream: 'system',
          message: `${dropped} further log lines were not kept.`,
        });
      }
      if (lines > 0 || dropped > 0) await setting.logs.flushed();
      return dropped;
    },
  };
}

function report(
  claim: Claim,
  block: BlockDefinition,
  outcome: AttemptOutcome,
  seen: {
    readonly stopCause: StopCause;
    readonly now: Date;
    readonly droppedLines: number;
    readonly pid: number | null;
  },
): Finish {
  const verdict = judgeAttempt(
    {
      status: outcome.status,
      error: outcome.status === 'failed' ? outcome.error : null,
      failedTests: outcome.tests.filter((test) => !test.passed),
      diedMessage: outcome.status === 'process_died' ? outcome.message : '',
      outOfMemory: outcome.status === 'process_died' && outcome.outOfMemory,
    },
    {
      uuid: block.uuid,
      configuration: block.configuration,
      retryConfig: block.retryConfig,
      retriesUsed: claim.retries,
      timeoutSeconds: claim.calls ? block.timeoutSeconds : claim.timeoutSeconds,
    },
    seen.stopCause,
    seen.now,
  );
  return {
    ...identity(claim),
    ...verdict,
    outputs: outcome.outputs,
    tests: outcome.tests,
    cpuTimeMs: outcome.cpuTimeMs,
    maxRssBytes: outcome.maxRssBytes,
    droppedLines: seen.droppedLines,
    pid: seen.pid,
    ...(block.type === 'sensor' ? { calls: (claim.calls ?? 0) + (outcome === unasked ? 0 : 1) } : {}),
  };
}

/** Of one that was stopped before it began, and of a sensor that was not asked again. */
const unasked: AttemptOutcome = { status: 'stopped', outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null };

function failedToStart(claim: Claim, message: string): Finish {
  return {
    ...identity(claim),
    ...nothingMade,
    outcome: 'failed',
    code: 'BLOCK_ERROR',
    message,
    error: { blockUuid: claim.uuid, type: null, message, stackTrace: null },
    retryAt: null,
  };
}

function skipped(claim: Claim, { code, message, error }: Skip): Finish {
  return { ...identity(claim), ...nothingMade, outcome: 'condition_failed', code, message, error, retryAt: null };
}

/** Gives a claim back unharmed: it was never started, or its worker goes away. */
export function givenBack(claim: Pick<Claim, 'id' | 'run' | 'attempt' | 'fence'>): Finish {
  return {
    ...identity(claim),
    ...nothingMade,
    outcome: 'requeue',
    code: 'SHUTDOWN',
    message: 'Its worker gave it back; it runs again.',
    error: null,
    retryAt: null,
  };
}

/** Gives back what was claimed ahead of a slot and got none. A sensor that was asked before goes on waiting in its attempt, and is due. */
function withoutSlot(claim: Claim, now: Date): Finish {
  const message = 'Its worker had no slot for it after all and gave it back; it runs again.';
  const givenUp: Finish = { ...givenBack(claim), code: 'OTHER', message };
  return claim.calls ? { ...givenUp, outcome: 'wait', retryAt: now, calls: claim.calls } : givenUp;
}

function identity(claim: Pick<Claim, 'id' | 'run' | 'attempt' | 'fence'>) {
  return { blockRunId: claim.id, pipelineRunId: claim.run, attempt: claim.attempt, fence: claim.fence };
}

const nothingMade = { outputs: [], tests: [], cpuTimeMs: null, maxRssBytes: null, droppedLines: 0, pid: null } as const;
