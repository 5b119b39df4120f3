import { createHash } from 'node:crypto';

/** Most file systems allow 255 bytes in a name. */
const longestName = 200;

/**
 * The folder of one attempt's outputs, relative to the outputs root: `<run id>/<block uuid, made safe>/<fence>`. Different
 * blocks never share a folder, whatever characters their uuids hold.
 */
export function outputPath(runId: number | bigint, blockUuid: string, fence: number): string {
  return `${runId}/${safeName(blockUuid)}/${fence}`;
}

/** Where a conditional or callback of a block leaves what it gives: beside the outputs of the block's attempt. */
export function attachedPath(attempt: string, uuid: string): string {
  return `${attempt}/attached/${safeName(uuid)}`;
}

/** A uuid may hold slashes, dots and any script: everything but plain characters is percent-encoded, a first dot too. */
function safeName(uuid: string): string {
  const encoded = encodeURIComponent(uuid.toWellFormed())
    .replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/^\./, '%2E');
  if (encoded.length > 0 && encoded.length <= longestName) return encoded;
  // '~' is always encoded above, so a shortened name can't be the name of another block.
  const digest = createHash('sha256').update(uuid).digest('hex');
  return `${encoded.slice(0, longestName - digest.length - 1)}~${digest}`;
}
