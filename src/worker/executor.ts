import type { RunError } from '../domain/lifecycle.ts';
import type { BlockTestResult, OutputManifest } from '../domain/outputs.ts';
import type { BlockType, Json, JsonObject } from '../domain/pipeline.ts';

/**
 * The seam between a worker and the languages: a worker prepares an `AttemptTask`, an executor runs the user's code in a
 * process that is not the server's, and answers with an `AttemptOutcome`. An executor never touches the database.
 */
export type Executor = {
  /**
   * Starts one attempt. The promise never rejects: everything that can go wrong is an outcome.
   * It settles only after every log line was handed to `sink` and no process of the attempt's group is left.
   * `go`: everything may be made ready, but the block's code runs only when it settles with true. With false the attempt is over,
   * stopped, and none of its code has run. Heeded by executors that hold; never given to others.
   */
  readonly run: (task: AttemptTask, sink: LogSink, answer?: Answerer, go?: Promise<boolean>) => RunningAttempt;
  /** Whether it can make an attempt ready and hold it. */
  readonly holds?: boolean;
  /** Makes `count` warm processes ready, so that the first attempts don't pay for a start. */
  readonly warm: (count: number) => Promise<void>;
  /** Ends all warm and running processes. */
  readonly stop: () => Promise<void>;
};

export type RunningAttempt = {
  readonly outcome: Promise<AttemptOutcome>;
  /** Resolves with the pid of the process that runs the user's code, when known. */
  readonly pid: Promise<number | null>;
  /**
   * Asks the attempt to end: abort signal (TypeScript), SIGTERM to the process group, SIGKILL after `graceMs`.
   * `outcome` then settles with whatever the code still gave, else `{status: 'stopped'}`. Calling it twice shortens the grace.
   */
  readonly stop: (graceMs: number) => void;
};

export type AttemptTask = {
  readonly pipelineRunId: number;
  readonly blockRunId: number;
  readonly pipelineUuid: string;
  readonly blockUuid: string;
  readonly blockType: BlockType;
  /** 1-based number of the attempt of this block run. */
  readonly attempt: number;
  /** 1-based count since the last retry by a person: `kwargs['retry']['attempts']`. */
  readonly retryAttempt: number;
  readonly fence: number;
  /** Absolute path of the block's file (for tracebacks and relative imports) and its code. */
  readonly file: string;
  readonly code: string;
  readonly configuration: JsonObject;
  /** The run's resolved variables. Instants (`execution_date`, `interval_*`) are ISO 8601 strings here. */
  readonly variables: JsonObject;
  /** Set when the trigger set a time zone: instants are then handed to Python aware, in it; else naive UTC. */
  readonly timezone: string | null;
  /** One per upstream block, in the order of the arguments. */
  readonly inputs: readonly AttemptInput[];
  /** Absolute. Executors write outputs to `<outputsRoot>/<outputPath>/output_N/`. */
  readonly outputsRoot: string;
  readonly outputPath: string;
  /** Of a conditional or callback: the block it is attached to, and how the run stands. */
  readonly parent?: {
    readonly blockUuid: string;
    readonly runStatus: string;
    /** Of a callback: how the block ended. */
    readonly callback?: { readonly status: 'success' | 'failure' | 'cancelled'; readonly error: RunError | null };
  };
};

export type AttemptInput = {
  readonly blockUuid: string;
  /** `completed` without outputs passes `[]` to Python and undefined to TypeScript; anything else passes None / undefined. */
  readonly status: 'completed' | 'skipped' | 'failed';
  readonly outputs: readonly OutputManifest[];
};

export type AttemptOutcome =
  | ({ readonly status: 'completed' } & AttemptResult)
  /** A sensor was asked and said no. */
  | ({ readonly status: 'not_yet' } & AttemptResult)
  /** Tests failed after the output was stored: the output stays. */
  | ({ readonly status: 'tests_failed' } & AttemptResult)
  | ({ readonly status: 'failed'; readonly error: AttemptError } & AttemptResult)
  /** The process ended without an answer. `outOfMemory` when the kernel or cgroup says so. */
  | ({ readonly status: 'process_died'; readonly message: string; readonly outOfMemory: boolean } & AttemptResult)
  /** It was asked to stop and gave no result. */
  | ({ readonly status: 'stopped' } & AttemptResult);

export type AttemptResult = {
  readonly outputs: readonly OutputManifest[];
  readonly tests: readonly BlockTestResult[];
  /** CPU time (user + system) and peak resident memory of the attempt, children included where known; null when not known. */
  readonly cpuTimeMs: number | null;
  readonly maxRssBytes: number | null;
};

export type AttemptError = {
  /** The exception's type: ValueError, TypeError … */
  readonly type: string;
  readonly message: string;
  /** As a reader of that language expects it, the user's frames first to last; null when there is none. */
  readonly stackTrace: string | null;
};

export type LogEntry = {
  readonly at: Date;
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly stream: 'stdout' | 'stderr' | 'logger' | 'system';
  readonly message: string;
};

/**
 * Answers what the block's code asks while it runs, one call after the other or several at a time. `request` is as the block's
 * process wrote it. Never rejects.
 */
export type Answerer = (request: unknown) => Promise<BlockReply>;

export type BlockReply =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly type: string; readonly message: string };

/** Takes the log lines of one attempt, in order. Must not throw and must not block. */
export type LogSink = (entry: LogEntry) => void;

/** Kills what is left of this server when the server itself is killed. See watchdog.ts. */
export type Watchdog = {
  /** From now on, these process groups are SIGKILLed when this process dies. */
  readonly guard: (...pgids: readonly number[]) => void;
  readonly release: (pgid: number) => void;
};
