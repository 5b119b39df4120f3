import { access } from 'node:fs/promises';
import { join } from 'node:path';

/** Whether an output is still there; pruned ones are not. `path` as in its manifest. */
export async function isStored(outputsRoot: string, path: string): Promise<boolean> {
  try {
    await access(join(outputsRoot, path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
