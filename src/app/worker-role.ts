import { availableParallelism, hostname } from 'node:os';
import type { BlockDefinition } from '../domain/pipeline.ts';
import type { Project } from '../project/project.ts';
import type { Executor } from '../worker/executor.ts';
import { createPythonExecutor } from '../worker/executors/python.ts';
import { findPython } from '../worker/executors/python-find.ts';
import { createShellExecutor } from '../worker/executors/shell.ts';
import { createTypeScriptExecutor } from '../worker/executors/typescript.ts';
import { hideSecrets } from '../worker/hide-secrets.ts';
import { startWorker, type Worker } from '../worker/worker.ts';
import type { Foundation } from './foundation.ts';

/** How many processes of each language wait warm from the start. */
const warmProcesses = 1;

/** Starts the role worker: claims block runs of its label and runs them. */
export async function startWorkerRole(foundation: Foundation, project: Project | null): Promise<Worker> {
  const { config, context, wake, watchdog, logger, outputsRoot, onStop } = foundation;
  const slots = config.slots ?? project?.settings.queueConcurrency ?? availableParallelism() * 2;
  const shared = { projectDir: config.projectDir, watchdog, slots, env: { ...process.env, ...watchdog.mark } };
  const typescript = hideSecrets(createTypeScriptExecutor(shared));
  const python = hideSecrets(createPythonExecutor({ ...shared, python: findPython(config.projectDir, process.env) }));
  const shell = hideSecrets(createShellExecutor(shared));
  onStop(async () => {
    await Promise.all([typescript.stop(), python.stop(), shell.stop()]);
  });
  const executors: Partial<Record<BlockDefinition['language'], Executor>> = {
    typescript,
    javascript: typescript,
    python,
    shell,
  };

  const worker = await startWorker({
    context,
    executorOf: (block) => executors[block.language] ?? null,
    projectDir: config.projectDir,
    outputsRoot,
    slots,
    label: config.label,
    host: hostname(),
    pid: process.pid,
    graceMs: config.graceSeconds * 1000,
    onError: (what, error) => logger.error({ err: error }, what),
  });
  const unsubscribe = [
    wake.on('ready', worker.wakeReady),
    wake.on('stop', worker.wakeStop),
    wake.on('ends', worker.wakeEnds),
    wake.on('callbacks', worker.wakeCallbacks),
  ];
  onStop(async () => {
    for (const leave of unsubscribe) leave();
  });
  for (const executor of [typescript, ...(uses(project, 'python') ? [python] : [])]) {
    executor.warm(warmProcesses).catch((error: unknown) => logger.error({ err: error }, 'could not warm an executor'));
  }
  return worker;
}

/** Whether a block of the project is in the language; true when the project is not known here. */
function uses(project: Project | null, language: BlockDefinition['language']): boolean {
  if (project === null) return true;
  return project.pipelines.some((pipeline) => pipeline.definition.blocks.some((block) => block.language === language));
}
