import { sep } from 'node:path';

const ignoredFolders: ReadonlySet<string> = new Set(['node_modules', '__pycache__', 'venv', 'env']);
/** What definitions and blocks are written in. Data that blocks leave in the project wakes nobody. */
const watchedFile = /\.(ya?ml|py|ts|mts|js|mjs|sql|sh|r|md)$/i;

/** True for a path, relative to the project, whose changes concern no pipeline: hidden, installed, generated, data. */
export function isIgnoredPath(path: string, isFile: boolean): boolean {
  if (path === '') return false;
  if (path.split(sep).some((part) => part.startsWith('.') || ignoredFolders.has(part))) return true;
  return isFile && !watchedFile.test(path);
}
