import { basename, relative, sep } from 'node:path';
import { watch } from 'chokidar';
import { findProject } from './read-project.ts';

/** Changes count as one when they follow each other this closely: a file that is still being written is left alone. */
const quietMs = 150;
/** But a folder that never rests is read all the same, so that a saved change is live within a second. */
const longestWaitMs = 600;

const ignoredFolders: ReadonlySet<string> = new Set(['node_modules', '__pycache__', 'venv', 'env']);
/** What definitions and blocks are written in. Data that blocks leave in the project wakes nobody. */
const watchedFile = /\.(ya?ml|py|ts|mts|js|mjs|sql|sh|r|md)$/i;

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
    ignored: (path, stats) => isIgnored(relative(root, path), stats?.isFile() ?? false),
  });
  const changes = settle(onChange);
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

function isIgnored(path: string, isFile: boolean): boolean {
  if (path === '') return false;
  if (path.split(sep).some((part) => part.startsWith('.') || ignoredFolders.has(part))) return true;
  return isFile && !watchedFile.test(basename(path));
}

/** Calls back once things were quiet for a moment, or at the latest after `longestWaitMs` of unrest. */
function settle(callback: () => void) {
  let timer: NodeJS.Timeout | undefined;
  let since: number | null = null;
  const fire = () => {
    since = null;
    callback();
  };
  return {
    note() {
      const now = performance.now();
      since ??= now;
      clearTimeout(timer);
      timer = setTimeout(fire, Math.max(0, Math.min(quietMs, since + longestWaitMs - now)));
    },
    forget() {
      clearTimeout(timer);
    },
  };
}
