import type { EngineContext } from '../engine/context.ts';
import { syncCatalog } from '../engine/sync-catalog.ts';
import type { Project } from '../project/project.ts';
import { readProject } from '../project/read-project.ts';
import { watchProject } from '../project/watch-project.ts';
import { snapshotOf } from './catalog-snapshot.ts';
import { startLoop } from './loop.ts';

export type CatalogSync = {
  /** The folder as last read. */
  readonly project: () => Project;
  readonly stop: () => Promise<void>;
};

/** A change that no watcher told of is found after this long, in milliseconds. */
const rereadMs = 60_000;

/**
 * Keeps the catalogue as the project folder has it: reads it now, and again whenever a file has changed and come to rest.
 * Throws when the folder is no project.
 */
export async function startCatalogSync(
  context: EngineContext,
  options: {
    readonly projectDir: string;
    readonly env: NodeJS.ProcessEnv;
    readonly onError: (what: string, error: unknown) => void;
  },
): Promise<CatalogSync> {
  const read = async () => {
    const project = await readProject(options.projectDir, { env: options.env });
    await syncCatalog(context, snapshotOf(project));
    return project;
  };
  let project = await read();
  let first = true;
  const loop = startLoop(
    async () => {
      if (!first) project = await read();
      first = false;
      return rereadMs;
    },
    (error) => options.onError('could not read the project folder', error),
  );
  const watcher = await watchProject(options.projectDir, loop.wake, (error) =>
    options.onError('could not watch the project folder', error),
  );
  return {
    project: () => project,
    async stop() {
      await watcher.close();
      await loop.stop();
    },
  };
}
