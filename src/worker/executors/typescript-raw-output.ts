import type { Readable } from 'node:stream';
import { endOfAttempt } from './typescript-protocol.ts';

const marker = Buffer.from(endOfAttempt);
const tailCharacters = 4_000;

/**
 * Reads a child's own stdout or stderr, where the processes that a block starts and native code write. `onEnd` is called when
 * everything before the end of an attempt has been handed to `onBytes`.
 */
export function readRawOutput(
  stream: Readable,
  onBytes: (bytes: Buffer) => void,
  onEnd: () => void,
): { readonly tail: () => string } {
  let rest: Buffer = Buffer.alloc(0);
  let tail = '';

  function give(bytes: Buffer): void {
    if (bytes.length === 0) return;
    tail = (tail + bytes.toString()).slice(-tailCharacters);
    onBytes(bytes);
  }

  stream.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let at = bytes.indexOf(marker); at !== -1; at = bytes.indexOf(marker)) {
      give(bytes.subarray(0, at));
      onEnd();
      bytes = bytes.subarray(at + marker.length);
    }
    const kept = beginningOfMarker(bytes);
    give(bytes.subarray(0, bytes.length - kept));
    rest = bytes.subarray(bytes.length - kept);
  });
  stream.on('end', () => give(rest));
  return { tail: () => tail };
}

/** How many bytes at the end may be the first part of a marker. */
function beginningOfMarker(bytes: Buffer): number {
  for (let length = Math.min(marker.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(marker.subarray(0, length))) return length;
  }
  return 0;
}
