import type { WebSocket as ProtocolSocket } from 'graphql-ws';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';

const badRequest = 4400;
const internalError = 4500;

/** A WebSocket as graphql-ws sees it. */
export function channelOf(socket: WebSocket, logger: Logger): ProtocolSocket {
  const failed = (error: unknown) => {
    if (socket.readyState !== socket.OPEN) return;
    if (isServersMessage(error)) {
      socket.close(badRequest, 'Invalid message received');
      return;
    }
    logger.error({ err: error }, 'a websocket message could not be handled');
    socket.close(internalError, 'Internal server error');
  };

  return {
    protocol: socket.protocol,
    send: (data) => send(socket, data),
    close: (code, reason) => socket.close(code, reason),
    onMessage: (handle) =>
      socket.on('message', (data) => {
        // Who was told goodbye may still be talking; nothing of it counts.
        if (socket.readyState === socket.OPEN) handle(String(data)).catch(failed);
      }),
  };
}

/**
 * Settles when the message has left this process: graphql-ws waits for it before it pulls the next event of that subscription, so a client that
 * stops reading stops its own events, and nobody else's. Rejects once the socket is closing: then graphql-ws lets the subscription go,
 * instead of pulling its events into the void until the other side has said goodbye.
 */
function send(socket: WebSocket, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== socket.OPEN) {
      reject(new Error('The socket is closing.'));
      return;
    }
    socket.send(data, (error) => (error ? reject(error) : resolve()));
  });
}

/** A client that sends what only servers send: the one mistake of a client that graphql-ws throws for, instead of closing with 4400. */
function isServersMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type');
}
