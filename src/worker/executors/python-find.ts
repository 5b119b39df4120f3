import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The Python that runs a project's blocks: `PENSTOCK_PYTHON`, the project's own `.venv`, then `python3` of the PATH.
 * Null when there is none. A `PENSTOCK_PYTHON` that does not exist is given back as it is, so that the error names it.
 */
export function findPython(projectDir: string, env: NodeJS.ProcessEnv): string | null {
  if (env.PENSTOCK_PYTHON) return env.PENSTOCK_PYTHON;
  const own = join(projectDir, '.venv', 'bin', 'python');
  if (isExecutable(own)) return own;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    if (folder && isExecutable(join(folder, 'python3'))) return join(folder, 'python3');
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
