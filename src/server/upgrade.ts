import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import { type Denial, denyUpgrade } from './denial.ts';
import type { Gate } from './gate.ts';
import { pathOf } from './path-of.ts';
import type { SocketLimits } from './socket-limits.ts';
import type { Sockets } from './websocket.ts';

/**
 * Decides about upgrades to WebSocket. Browsers ask nobody before they open a socket to another site, and send its cookies along:
 * so the page's origin is checked here, and a cookie counts only for our very own pages.
 */
export function createUpgrade(options: {
  readonly gate: Gate;
  readonly sockets: Sockets;
  readonly limits: SocketLimits;
  readonly isDraining: () => boolean;
}) {
  const { gate, sockets, limits } = options;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols,
  });

  const refusal = (request: IncomingMessage): Denial | null => {
    if (options.isDraining()) return draining;
    const denial = gate.checkHost(request) ?? gate.checkOrigin(request);
    if (denial) return denial;
    if (pathOf(request) !== '/graphql') return elsewhere;
    return sockets.size() >= limits.socketsPerProcess ? full : null;
  };

  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    const denial = refusal(request);
    if (denial) {
      denyUpgrade(socket, denial);
      return;
    }
    const caller = { session: gate.identifyUpgrade(request), remoteAddress: request.socket.remoteAddress ?? '' };
    server.handleUpgrade(request, socket, head, (webSocket) => sockets.accept(webSocket, caller));
  };
}

const draining: Denial = {
  status: 503,
  code: 'DRAINING',
  message: 'This server is about to stop. Connect again in a moment.',
  headers: { 'retry-after': '1' },
};
const elsewhere: Denial = { status: 404, code: 'NOT_FOUND', message: 'WebSockets are at /graphql.' };
const full: Denial = {
  status: 503,
  code: 'TOO_MANY_CONNECTIONS',
  message: 'This server has as many connections as it takes. Try again later.',
  headers: { 'retry-after': '10' },
};
