import { writeSync } from 'node:fs';
import { type ChildFrame, endOfAttempt } from './typescript-protocol.ts';

/**
 * How a child process speaks: synchronously, so that what was said before a crash arrives. A worker that can't keep up slows
 * the block down instead of filling memory.
 */

export const channelFd = 3;
const waitWord = new Int32Array(new SharedArrayBuffer(4));

/** Sends one frame to the worker. */
export function send(frame: ChildFrame): void {
  writeAll(channelFd, `${JSON.stringify(frame)}\n`);
}

/** Marks the end of an attempt in the streams that the block's own children and native code write to. */
export function markRawOutput(): void {
  writeAll(1, endOfAttempt);
  writeAll(2, endOfAttempt);
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') Atomics.wait(waitWord, 0, 0, 1);
      // Nobody listens any more: the worker is gone, or a block closed the descriptor.
      else if (fd === channelFd) process.kill(-process.pid, 'SIGKILL');
      else return;
    }
  }
}
