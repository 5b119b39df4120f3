import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** Thrown when a stored output was pruned or never completely written. */
export class OutputGoneError extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`The stored output ${path} is gone. Run its block again.`);
    this.name = 'OutputGoneError';
    this.path = path;
  }
}

/**
 * The real path of a file under the outputs root. Throws OutputGoneError when there is none, or when the way to it leads out
 * of the root: paths come from manifests, which a block's process wrote.
 */
export async function storedFile(outputsRoot: string, path: string, file: string): Promise<string> {
  try {
    const [root, found] = await Promise.all([realpath(outputsRoot), realpath(join(outputsRoot, path, file))]);
    if (found.startsWith(root + sep)) return found;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // ERR_INVALID_ARG_VALUE: a NUL in the path.
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(code ?? '')) throw error;
  }
  throw new OutputGoneError(`${path}/${file}`);
}
