import { EventEmitter, once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { OutputManifest } from '../../src/domain/outputs.ts';
import type { Json } from '../../src/domain/pipeline.ts';
import type { AttemptInput, AttemptOutcome, AttemptTask, LogEntry } from '../../src/worker/executor.ts';
import { createTypeScriptExecutor } from '../../src/worker/executors/typescript.ts';

/** A project folder with an executor of its own, for one test: `await using project = createProject()`. */
export function createProject(
  options: { readonly slots?: number; readonly env?: NodeJS.ProcessEnv; readonly idleMs?: number } = {},
) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-ts-')));
  const projectDir = join(root, 'shop');
  const outputsRoot = join(root, 'outputs');
  const guarded = new Set<number>();
  const started = new Set<number>();
  const released = new EventEmitter();
  const executor = createTypeScriptExecutor({
    projectDir,
    slots: options.slots ?? 2,
    watchdog: {
      guard: (group) => {
        guarded.add(group);
        started.add(group);
      },
      release: (group) => {
        guarded.delete(group);
        released.emit('release');
      },
    },
    ...(options.env ? { env: options.env } : {}),
    ...(options.idleMs ? { idleMs: options.idleMs } : {}),
  });
  let lastFence = 0;

  return {
    root,
    projectDir,
    outputsRoot,
    executor,
    guarded,
    started,
    /** Resolves when no more than `count` process groups are guarded. */
    async atMost(count: number): Promise<void> {
      while (guarded.size > count) await once(released, 'release');
    },
    /** Starts a block; its lines can be read while it runs. */
    start(code: string, given: Partial<AttemptTask> & { readonly name?: string } = {}, go?: Promise<boolean>) {
      const fence = ++lastFence;
      const lines: LogEntry[] = [];
      const spoken = Promise.withResolvers<void>();
      const { name, ...rest } = given;
      const running = executor.run(
        {
          pipelineRunId: 7,
          blockRunId: 70,
          pipelineUuid: 'sales',
          blockUuid: 'load',
          blockType: 'custom',
          attempt: 1,
          retryAttempt: 1,
          fence,
          file: join(projectDir, name ?? 'custom/load.ts'),
          code,
          configuration: {},
          variables: {},
          timezone: null,
          inputs: [],
          outputsRoot,
          outputPath: `7/load/${fence}`,
          ...rest,
        },
        (entry) => {
          lines.push(entry);
          spoken.resolve();
        },
        undefined,
        go,
      );
      const said = () => lines.map((line) => line.message);
      return { ...running, lines, said, spoken: spoken.promise };
    },
    async run(code: string, given: Partial<AttemptTask> & { readonly name?: string } = {}) {
      const running = this.start(code, given);
      return { outcome: await running.outcome, lines: running.lines, said: running.said(), pid: await running.pid };
    },
    async write(name: string, text: string): Promise<void> {
      const file = join(projectDir, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await executor.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What upstream blocks gave. */
export function inputOf(
  outputs: readonly OutputManifest[],
  status: AttemptInput['status'] = 'completed',
): AttemptInput {
  return { blockUuid: 'above', status, outputs };
}

/** The value of the only output, which must be small enough to be in its manifest. */
export function inlineOf(outcome: AttemptOutcome): Json | undefined {
  if (outcome.status !== 'completed') throw new Error(`It did not complete: ${JSON.stringify(outcome)}`);
  return outcome.outputs[0]?.inline;
}

/** Of a failed outcome, its error. */
export function errorOf(outcome: AttemptOutcome) {
  if (outcome.status !== 'failed') throw new Error(`It did not fail: ${JSON.stringify(outcome)}`);
  return outcome.error;
}
