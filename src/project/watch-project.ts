import { relative } from 'node:path';
import { watch } from 'chokidar';
import { findProject } from './read-project.ts';
import { settle } from './settle.ts';
import { isIgnoredPath } from './watched-paths.ts';

/** A file that is still being written is left alone; but a folder that never rests is read all the same, within a second. */
const patience = { quietMs: 150, longestWaitMs: 600 };

export type ProjectWatch = { readonly close: () => Promise<void> };

/**
 * Calls `onChange` when definitions, blocks or the code they import changed in a project folder; it says only that something did:
 * read the project again. Resolves when every later change is seen. Throws NotAProject. `onError` hears of a watch that failed
 * (out of handles, say); changes may be missed from then on.
 */
export async function watchProject(
  dir: string,
  onChange: () => void,
  onError: (error: unknown) => void = () => {},
): Promise<ProjectWatch> {
  const root = await findProject(dir);
  const watcher = watch(root, {
    ignoreInitial: true,
    // A link's target inside of the project is watched in its own place; what lies outside is not read.
    followSymlinks: false,
    ignored: (path, stats) => isIgnoredPath(relative(root, path), stats?.isFile() ?? false),
  });
  const changes = settle(onChange, patience);
  watcher.on('all', changes.note);
  watcher.on('error', onError);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  return {
    async close() {
      changes.forget();
      await watcher.close();
    },
  };
}
