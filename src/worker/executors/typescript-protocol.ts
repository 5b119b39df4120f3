import type { BlockTestResult, OutputManifest } from '../../domain/outputs.ts';
import type { JsonObject } from '../../domain/pipeline.ts';
import type { AttemptError, AttemptInput, AttemptTask, BlockReply, LogEntry } from '../executor.ts';

/**
 * What the worker and a child process say to each other over file descriptor 3: one JSON text per line. Measured against
 * Node's own IPC channel this costs the same or less, and the child can write synchronously, so that nothing it said is lost
 * when it dies.
 */

/** Worker → child: run this attempt. The child runs one at a time, in the order in which they come. */
export type TaskFrame = {
  /** Absolute path of the block's file. */
  readonly file: string;
  /** Which code of that file: the same id, the same code. A child knows one code per file. */
  readonly codeId: string;
  /** The code, JavaScript already; absent when the child has it. */
  readonly source: BlockSource | null;
  readonly mode: BlockMode;
  readonly pipelineUuid: string;
  readonly blockUuid: string;
  readonly pipelineRunId: number;
  readonly blockRunId: number;
  readonly attempt: number;
  readonly retryAttempt: number;
  readonly fence: number;
  readonly configuration: JsonObject;
  /** The run's variables as JSON text; null: the same as in the frame before. */
  readonly variables: string | null;
  readonly inputs: readonly AttemptInput[];
  /** Of a conditional or callback: the block it is attached to, and how that ended. */
  readonly parent?: AttemptTask['parent'];
  readonly outputsRoot: string;
  readonly outputPath: string;
  /** To be run when a GoFrame comes; until then the child only has it ready. */
  readonly isHeld: boolean;
};

/** Worker → child: run what is held. */
export type GoFrame = { readonly go: true };

export type BlockSource = { readonly text: string; readonly format: 'module' | 'commonjs' };

/** Which of a file's exports is called: the default one, or `condition`, `sensor`, `callback` when there is one. */
export type BlockMode = 'block' | 'condition' | 'sensor' | 'callback';

/** Child → worker. */
export type ChildFrame =
  | { readonly type: 'ready' }
  /** A chunk of text (stdout, stderr: cut into lines by the worker) or a whole message (logger, system). */
  | {
      readonly type: 'log';
      readonly at: number;
      readonly level: LogEntry['level'];
      readonly stream: LogEntry['stream'];
      readonly text: string;
    }
  /** It holds an older version of a file that this block imports; it did not run the task and ends. */
  | { readonly type: 'stale' }
  | ResultFrame
  /** The block asks something of the worker (worker/block-requests.ts); an AnswerFrame comes back. */
  | { readonly type: 'ask'; readonly id: number; readonly request: object }
  /** It ends while it runs no attempt; a task that is on its way to it was not started. */
  | { readonly type: 'leaving' };

/** Worker → child: the answer to a question of the attempt that runs, or of one that is over. */
export type AnswerFrame = { readonly answerTo: number; readonly reply: BlockReply };

export type ResultFrame = {
  readonly type: 'result';
  readonly error: AttemptError | null;
  /** The block ended because its signal was aborted. */
  readonly stopped: boolean;
  readonly outputs: readonly OutputManifest[];
  readonly tests: readonly BlockTestResult[];
  /** It is a sensor that said no. */
  readonly notYet?: boolean;
  readonly cpuTimeMs: number;
  readonly maxRssBytes: number | null;
  /** It wrote `endOfAttempt` to stdout and stderr as well: text written past it may be on its way there. */
  readonly rawOutput: boolean;
  /** It kills its process group right after this frame. */
  readonly ends: boolean;
};

/** Written to stdout and stderr themselves, where a block's own child processes write: all before it is the attempt's. */
export const endOfAttempt = '\0penstock: end of attempt\0\n';

/** Calls `onFrame` for each line of a stream of text. */
export function createFrameReader(onFrame: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      const line = rest + chunk.slice(start, end);
      rest = '';
      start = end + 1;
      onFrame(line);
    }
    rest += chunk.slice(start);
  };
}
