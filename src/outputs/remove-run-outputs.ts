import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes all outputs that a run has stored; a run without any is fine. */
export async function removeRunOutputs(outputsRoot: string, runId: number | bigint): Promise<void> {
  // Through String(BigInt()) nothing but digits can become a path.
  await rm(join(outputsRoot, String(BigInt(runId))), { recursive: true, force: true });
}
