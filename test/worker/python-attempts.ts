import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Answerer,
  AttemptInput,
  AttemptOutcome,
  AttemptTask,
  Executor,
  LogEntry,
  RunningAttempt,
} from '../../src/worker/executor.ts';
import { createPythonExecutor } from '../../src/worker/executors/python.ts';
import { findPython } from '../../src/worker/executors/python-find.ts';
import { type RunningWatchdog, startWatchdog } from '../../src/worker/watchdog.ts';

/** The Python of the tests: a virtual environment with pandas where CI made one, else the machine's own. */
export const testPython = process.env.PENSTOCK_TEST_PYTHON ?? findPython('/', process.env);

export type StartedAttempt = {
  readonly running: RunningAttempt;
  readonly logs: readonly LogEntry[];
  /** Resolves with the first log line that holds the text. */
  readonly line: (text: string) => Promise<string>;
};

export type Finished = { readonly outcome: AttemptOutcome; readonly logs: readonly LogEntry[] };

/** A project folder with a Python executor, for blocks given as source. */
export type PythonHouse = {
  readonly projectDir: string;
  readonly outputsRoot: string;
  readonly executor: Executor;
  readonly watchdog: RunningWatchdog;
  readonly start: (
    code: string,
    task?: Partial<AttemptTask>,
    answer?: Answerer,
    go?: Promise<boolean>,
  ) => StartedAttempt;
  readonly run: (code: string, task?: Partial<AttemptTask>, answer?: Answerer) => Promise<Finished>;
  /** Runs the block and hands back what a downstream block gets from it. */
  readonly input: (blockUuid: string, code: string, task?: Partial<AttemptTask>) => Promise<AttemptInput>;
  readonly close: () => Promise<void>;
};

export async function openPythonHouse(
  options: { python?: string | null; env?: NodeJS.ProcessEnv } = {},
): Promise<PythonHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-test-'));
  const projectDir = join(folder, 'repo', 'project');
  const outputsRoot = join(folder, 'outputs');
  const { mkdir } = await import('node:fs/promises');
  await mkdir(projectDir, { recursive: true });
  const watchdog = await startWatchdog();
  const python = options.python === undefined ? testPython : options.python;
  const executor = createPythonExecutor({
    python,
    projectDir,
    watchdog,
    slots: 2,
    ...(options.env && { env: options.env }),
  });
  let ids = 0;

  function start(
    code: string,
    given: Partial<AttemptTask> = {},
    answer?: Answerer,
    go?: Promise<boolean>,
  ): StartedAttempt {
    ids += 1;
    const blockUuid = given.blockUuid ?? 'block';
    const task: AttemptTask = {
      pipelineRunId: 1,
      blockRunId: ids,
      pipelineUuid: 'pipeline',
      blockUuid,
      blockType: 'custom',
      attempt: 1,
      retryAttempt: 1,
      fence: 1,
      file: join(projectDir, 'custom', `${blockUuid}.py`),
      code,
      configuration: {},
      variables: {},
      timezone: null,
      inputs: [],
      outputsRoot,
      outputPath: `1/${blockUuid}/${ids}`,
      ...given,
    };
    const logs: LogEntry[] = [];
    const awaited: { text: string; resolve: (message: string) => void }[] = [];
    const hear = (entry: LogEntry) => {
      logs.push(entry);
      for (const each of awaited) if (entry.message.includes(each.text)) each.resolve(entry.message);
    };
    const running = executor.run(task, hear, answer, go);
    return {
      running,
      logs,
      line: (text) =>
        new Promise((resolve, reject) => {
          const known = logs.find((entry) => entry.message.includes(text));
          if (known) resolve(known.message);
          awaited.push({ text, resolve });
          running.outcome.then((outcome) =>
            reject(new Error(`Ended without "${text}": ${JSON.stringify({ outcome, logs })}`)),
          );
        }),
    };
  }

  async function run(code: string, task?: Partial<AttemptTask>, answer?: Answerer): Promise<Finished> {
    const { running, logs } = start(code, task, answer);
    return { outcome: await running.outcome, logs };
  }

  return {
    projectDir,
    outputsRoot,
    executor,
    watchdog,
    start,
    run,
    input: async (blockUuid, code, task) => {
      const { outcome } = await run(code, { ...task, blockUuid });
      if (outcome.status !== 'completed') throw new Error(`${blockUuid}: ${JSON.stringify(outcome)}`);
      return { blockUuid, status: 'completed', outputs: outcome.outputs };
    },
    close: async () => {
      await executor.stop();
      await watchdog.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The values of a block's outputs, as far as they are small JSON. */
export function values(outcome: AttemptOutcome): readonly unknown[] {
  return outcome.outputs.map((output) => output.inline);
}

/** The lines of one stream. */
export function messages(logs: readonly LogEntry[], stream: LogEntry['stream']): readonly string[] {
  return logs.filter((entry) => entry.stream === stream).map((entry) => entry.message);
}
