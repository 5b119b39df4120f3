/**
 * Frames on a socket: 4 bytes big-endian length of the payload, 1 byte kind, the payload. The other side and the list of
 * kinds: python/penstock_runner/frames.py.
 */

const headerBytes = 5;

/** One frame, ready to write. */
export function encodeFrame(kind: string, payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const frame = Buffer.allocUnsafe(headerBytes + length);
  frame.writeUInt32BE(length, 0);
  frame.write(kind, 4, 1, 'latin1');
  frame.write(payload, headerBytes, 'utf8');
  return frame;
}

/** A function that takes chunks as they arrive and calls `onFrame` for every frame that is complete. */
export function createFrameReader(onFrame: (kind: string, payload: Buffer) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let waiting = 0;
  let needed = headerBytes;

  return (chunk) => {
    parts.push(chunk);
    waiting += chunk.length;
    // A frame of many megabytes comes in many chunks: they are joined once, when all are there.
    if (waiting < needed) return;
    let buffer = parts.length === 1 ? chunk : Buffer.concat(parts, waiting);
    while (buffer.length >= headerBytes) {
      const end = headerBytes + buffer.readUInt32BE(0);
      if (buffer.length < end) break;
      onFrame(String.fromCharCode(buffer[4] ?? 0), buffer.subarray(headerBytes, end));
      buffer = buffer.subarray(end);
    }
    needed = buffer.length >= headerBytes ? headerBytes + buffer.readUInt32BE(0) : headerBytes;
    waiting = buffer.length;
    parts = waiting > 0 ? [buffer] : [];
  };
}
