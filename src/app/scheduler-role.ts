import { performance } from 'node:perf_hooks';
import { removeRunOutputs } from '../outputs/remove-run-outputs.ts';
import { type CatalogSync, startCatalogSync } from '../scheduler/catalog-sync.ts';
import { startPresence } from '../scheduler/presence.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import type { Foundation } from './foundation.ts';

/** Starts the role scheduler: keeps the catalogue as the project folder has it, and runs the loops that wait on time or capacity. */
export async function startSchedulerRole(
  foundation: Foundation,
  ownWorkers: () => readonly bigint[],
): Promise<Pick<CatalogSync, 'project'>> {
  const { config, context, database, wake, logger, outputsRoot, onStop } = foundation;
  const onError = (what: string, error: unknown) => logger.error({ err: error }, what);
  const sync = await startCatalogSync(context, { projectDir: config.projectDir, env: process.env, onError });
  onStop(sync.stop);
  const presence = await startPresence(database, (error) => onError('could not show that a scheduler is here', error));
  onStop(presence.stop);
  const scheduler = startScheduler(context, {
    monotonicMs: () => performance.now(),
    ownWorkers,
    graceMs: config.graceSeconds * 1000,
    removeOutputs: (runId) => removeRunOutputs(outputsRoot, runId),
    onError,
  });
  onStop(scheduler.stop);
  for (const topic of ['admission', 'ends', 'settle', 'stop', 'catalog', 'batches'] as const) {
    const leave = wake.on(topic, () => scheduler.wake(topic));
    onStop(async () => leave());
  }
  return sync;
}
