import type { EngineContext } from '../engine/context.ts';
import { syncCatalog } from '../engine/sync-catalog.ts';
import type { Project } from '../project/project.ts';
import { createProjectCache } from '../project/project-cache.ts';
import { readProject } from '../project/read-project.ts';
import { watchProject } from '../project/watch-project.ts';
import { snapshotOf } from './catalog-snapshot.ts';
import { type Loop, startLoop } from './loop.ts';

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
  const cache = createProjectCache();
  let project: Project | null = null;
  const read = async () => {
    const found = await readProject(options.projectDir, { env: options.env, cache });
    // Through the cache an unchanged pipeline is the same object: a folder in which nothing changed costs no transaction.
    if (
      project === null ||
      found.pipelines.some((pipeline, place) => pipeline !== project?.pipelines[place]) ||
      found.pipelines.length !== project.pipelines.length
    ) {
      await syncCatalog(context, snapshotOf(found));
    }
    project = found;
    return found;
  };

  // The watch first: what changes while the folder is read is read again.
  let loop: Loop | null = null;
  const watcher = await watchProject(
    options.projectDir,
    () => loop?.wake(),
    (error) => options.onError('could not watch the project folder', error),
  );
  const first = await read().catch(async (error: unknown) => {
    await watcher.close();
    throw error;
  });
  loop = startLoop(
    async () => {
      await read();
      return rereadMs;
    },
    (error) => options.onError('could not read the project folder', error),
  );
  return {
    project: () => project ?? first,
    async stop() {
      await watcher.close();
      await loop?.stop();
    },
  };
}
