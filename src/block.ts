/**
 * What the author of a TypeScript or JavaScript block sees: `import type { Block } from 'penstock/block'`.
 *
 * ```ts
 * import type { Block } from 'penstock/block';
 *
 * const block: Block = async ({ inputs: [sales], variables, logger }) => {
 *   logger.info('read', { rows: sales.length });
 *   return sales.filter((row) => row.total > variables.minimum);
 * };
 * export default block;
 *
 * export const test = (rows) => { if (rows.length === 0) throw new Error('nothing sold'); };
 * ```
 *
 * What a block returns is one output: null or undefined is none; an array of plain objects, or a generator that yields them
 * (sync or async; never held in memory), is a table; a string is text; a Uint8Array is binary; anything else is JSON. In JSON,
 * a Date is its ISO string, a Map an object, a Set an array, bytes are base64, a bigint is a number where that is exact and
 * else a string, an Error its name and message; NaN, ±Infinity and an undefined in an array are null; an undefined property is
 * left out. A function, a symbol, a cycle is an error that names the place. To give several outputs, return `outputs(a, b)`.
 */

/** A block's function; `args` is meant to be destructured. */
export type Block<Output = unknown> = (args: BlockArguments) => Output | Promise<Output>;

/** A check of what a block gave, run after its outputs are stored: it fails by throwing or by returning false. */
// biome-ignore lint/suspicious/noExplicitAny: an author names the types of the block's own outputs.
export type BlockTest = (...outputs: any[]) => unknown;

export type BlockArguments = {
  /**
   * One per upstream block, in the order of `upstream_blocks`: the value of its one output, an array when it gave several,
   * undefined when it gave none, was skipped or failed. A table is an array of row objects.
   */
  // biome-ignore lint/suspicious/noExplicitAny: only the author knows what the upstream blocks give.
  readonly inputs: readonly any[];
  /** The run's variables. Instants (`execution_date`, `interval_*`) are ISO 8601 strings. */
  // biome-ignore lint/suspicious/noExplicitAny: only the author knows what the variables hold.
  readonly variables: { readonly [name: string]: any };
  /** The run's logical date. */
  readonly executionDate: Date;
  // biome-ignore lint/suspicious/noExplicitAny: only the author knows what the configuration holds.
  readonly configuration: { readonly [name: string]: any };
  readonly logger: BlockLogger;
  /**
   * Aborted when the attempt is to end: a cancel, a timeout, a shutdown. A block that takes it gets a grace period to finish;
   * one that doesn't is ended at once.
   */
  readonly signal: AbortSignal;
  /** 1 for the first try, 2 for the first automatic retry … */
  readonly retry: { readonly attempts: number };
  readonly context: BlockContext;
};

/** Log lines with a level; `fields` is written behind the message. */
export type BlockLogger = {
  readonly debug: (message: string, fields?: object) => void;
  readonly info: (message: string, fields?: object) => void;
  readonly warning: (message: string, fields?: object) => void;
  readonly error: (message: string, fields?: object) => void;
};

/** Where a block runs. */
export type BlockContext = {
  readonly pipelineUuid: string;
  readonly blockUuid: string;
  /** Of a conditional or callback: the block that it is attached to. */
  readonly parentBlockUuid: string | null;
  /** Of a callback: how that block ended. */
  readonly ended: {
    readonly status: 'success' | 'failure' | 'cancelled';
    readonly error: {
      readonly type: string | null;
      readonly message: string;
      readonly stackTrace: string | null;
    } | null;
  } | null;
  readonly pipelineRunId: number;
  readonly blockRunId: number;
  /** 1-based number of the attempt of this block run, retries by people included. */
  readonly attempt: number;
  /**
   * Rises with every claim of this block run. Where the world outside keeps the highest one that it has seen, it can refuse what
   * an older attempt still writes: one whose worker was cut off and has not heard yet that it was replaced.
   */
  readonly fence: number;
  readonly projectDir: string;
  /**
   * Starts a run of another pipeline. With `wait` it resolves when that run has completed, and rejects when it ends otherwise; the
   * block holds no worker slot meanwhile, and if it ends before the run does, the run is cancelled. The same call of an attempt
   * that repeats a lost one finds the run that it made.
   */
  readonly triggerPipeline: (pipelineUuid: string, options?: TriggerPipelineOptions) => Promise<TriggeredRun>;
};

export type TriggerPipelineOptions = {
  /** Variables of the new run; they go before those of its pipeline and trigger. */
  readonly variables?: { readonly [name: string]: unknown };
  /** Whether to wait for the run's end. */
  readonly wait?: boolean;
  /** The name of a trigger of that pipeline: the run gets its settings and variables. */
  readonly trigger?: string;
};

/** A run that a block has started, and where it stood when the call was answered. */
export type TriggeredRun = {
  readonly pipelineRunId: number;
  readonly status: 'initial' | 'running' | 'completed' | 'failed' | 'cancelled';
};

/** Several outputs of one block, made by `outputs()`. */
export class Outputs {
  readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

/** Gives several outputs: output_0, output_1, … A block downstream gets them as an array. */
export function outputs(...values: readonly unknown[]): Outputs {
  return new Outputs(values);
}
