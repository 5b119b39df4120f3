import type { ServerResponse } from 'node:http';

/** Cuts a streamed answer whose reader has taken nothing for `stallMs` although something waits for it. There is no close code in HTTP: the reader sees the connection end, and comes back. */
export function cutWhenStalled(response: ServerResponse, stallMs: number): void {
  let waits = 0;
  const looking = setInterval(() => {
    waits = response.writableNeedDrain ? waits + 1 : 0;
    if (waits >= 8) response.destroy();
  }, stallMs / 8);
  response.on('drain', () => {
    waits = 0;
  });
  response.once('close', () => clearInterval(looking));
}
