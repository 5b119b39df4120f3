import { open } from 'node:fs/promises';

/** A line that is longer than this is not shown, nor what follows it. */
const mostBytesOfLines = 8 * 1024 * 1024;
const chunkBytes = 64 * 1024;

/** Reads at most `mostBytes` from the beginning of a text file, never half a character. */
export async function readBeginning(
  file: string,
  mostBytes: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const handle = await open(file);
  try {
    const buffer = Buffer.alloc(mostBytes + 1);
    const length = await fill(handle, buffer);
    const isWhole = length <= mostBytes;
    const bytes = buffer.subarray(0, Math.min(length, mostBytes));
    // In a stream, a decoder keeps an unfinished character back.
    const text = new TextDecoder().decode(bytes, { stream: !isWhole });
    return { text, isWhole };
  } finally {
    await handle.close();
  }
}

/** Reads the first `count` lines that are not empty, and whether these are all of them. */
export async function readFirstLines(
  file: string,
  count: number,
): Promise<{ readonly lines: readonly string[]; readonly isWhole: boolean }> {
  const handle = await open(file);
  try {
    const decoder = new TextDecoder();
    const lines: string[] = [];
    let rest = '';
    for (let read = 0; read < mostBytesOfLines; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes);
      read += bytesRead;
      const parts = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: bytesRead > 0 })).split('\n');
      rest = bytesRead > 0 ? (parts.pop() ?? '') : '';
      for (const line of parts) {
        if (line.trim() === '') continue;
        if (lines.length === count) return { lines, isWhole: false };
        lines.push(line);
      }
      if (bytesRead === 0) return { lines, isWhole: true };
    }
    return { lines, isWhole: false };
  } finally {
    await handle.close();
  }
}

async function fill(handle: Awaited<ReturnType<typeof open>>, buffer: Buffer): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}
