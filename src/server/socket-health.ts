import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { createMessageRate } from './message-rate.ts';
import type { SocketLimits } from './socket-limits.ts';

/** "Try again later": clients of graphql-ws reconnect after it, and resume from their cursor. */
const tryAgainLater = 1013;

/** How long a stalled client gets to read its close frame before the connection is cut. */
const farewellMs = 2_000;

/**
 * Looks after one socket until it closes: pings it when it is silent, cuts it when it is dead, closes it (1013) when data has waited `stallMs`
 * and it took none, and stops reading from it while it doesn't read from us or talks too fast. So what one client can make us hold is bounded:
 * `maxBacklogBytes`, and one message per operation.
 * `now` is a monotonic clock in milliseconds.
 */
export function lookAfter(
  socket: WebSocket,
  options: { readonly limits: SocketLimits; readonly now: () => number; readonly logger: Logger },
): void {
  const { limits, now } = options;
  const rate = createMessageRate(limits.messagesPerSecond, now);
  let heardAt = now();
  let progressAt = now();
  let backlog = 0;
  let resumeAt = 0;
  let isClosing = false;

  const heard = () => {
    heardAt = now();
    resumeAt = heardAt + rate.take();
    if (resumeAt > heardAt || socket.bufferedAmount > limits.maxBacklogBytes) pause();
  };
  const pause = () => {
    if (socket.isPaused) return;
    socket.pause();
    setTimeout(resumeWhenDue, Math.max(10, resumeAt - now()));
  };
  const resumeWhenDue = () => {
    if (socket.readyState === socket.CLOSED) return;
    // A backlog is looked at again soon: ws doesn't say when it has drained.
    if (now() < resumeAt || socket.bufferedAmount > limits.maxBacklogBytes / 2) {
      setTimeout(resumeWhenDue, Math.max(50, resumeAt - now()));
      return;
    }
    // What was not read can't have been heard: the silence begins now.
    heardAt = now();
    socket.resume();
  };

  const look = () => {
    const waiting = socket.bufferedAmount;
    if (waiting === 0 || waiting < backlog) progressAt = now();
    backlog = waiting;
    if (isClosing) return;
    if (now() - progressAt >= limits.stallMs) {
      isClosing = true;
      options.logger.info({ waitingBytes: waiting }, 'a websocket client read nothing for too long and is closed');
      socket.close(tryAgainLater, 'You read too slowly. Come back with `after`.');
      setTimeout(() => socket.terminate(), Math.min(farewellMs, limits.stallMs));
      return;
    }
    // While data waits, a pong would wait behind it, and says nothing.
    if (waiting > 0 || socket.isPaused) return;
    const silence = now() - heardAt;
    if (silence >= limits.keepAliveMs * 2) socket.terminate();
    else if (silence >= limits.keepAliveMs) socket.ping();
  };

  const looking = setInterval(look, Math.ceil(Math.min(limits.keepAliveMs, limits.stallMs) / 8));
  socket.on('message', heard);
  socket.on('ping', heard);
  socket.on('pong', heard);
  socket.once('close', () => clearInterval(looking));
}
