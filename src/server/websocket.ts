import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { type Context, makeServer } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Principal } from '../graphql/access.ts';
import type { Gate, Identified } from './gate.ts';
import type { OperationRoom } from './operation-room.ts';
import { type PreparedOperation, prepareOperation } from './prepare-operation.ts';
import { runOperation } from './run-operation.ts';
import { channelOf } from './socket-channel.ts';
import { lookAfter } from './socket-health.ts';
import type { SocketLimits } from './socket-limits.ts';

/** What an upgrade already knows of its caller. */
export type UpgradedCaller = {
  /** Who the session cookie names; null when the client has yet to send a token in `connection_init`. */
  readonly session: Identified | null;
  readonly remoteAddress: string;
};

/** The open WebSockets of a server. */
export type Sockets = {
  /** Speaks `graphql-transport-ws` on a socket that was just upgraded. */
  readonly accept: (socket: WebSocket, caller: UpgradedCaller) => void;
  readonly size: () => number;
  /** All of them, for a server that stops. */
  readonly all: () => readonly WebSocket[];
};

/** One connection as graphql-ws carries it along. */
type Connection = UpgradedCaller & {
  readonly socket: WebSocket;
  /** Aborted when the socket closes. */
  readonly gone: AbortController;
  caller: { readonly principal: Principal; readonly isFromBrowser: boolean } | null;
};

type Init = { readonly token?: unknown } & Record<string, unknown>;

const tryAgainLater = 1013;

/** GraphQL over WebSocket: graphql-ws speaks the protocol, `prepareOperation` decides, `lookAfter` keeps the connection honest. */
export function createSockets(
  room: OperationRoom,
  options: { readonly gate: Gate; readonly limits: SocketLimits; readonly monotonicNow: () => number },
): Sockets {
  const { gate, limits } = options;
  const connections = new Set<Connection>();

  const server = makeServer<Init, Connection>({
    connectionInitWaitTimeout: limits.initTimeoutMs,
    async onConnect({ connectionParams, extra }) {
      const identified = await identify(connectionParams, extra);
      if (!identified?.ok) return false;
      if (countOf(connections, identified.principal) >= limits.socketsPerPrincipal) {
        extra.socket.close(tryAgainLater, 'You have too many connections open.');
        return true;
      }
      extra.caller = identified;
      return true;
    },
    onSubscribe(context, _id, payload) {
      if (Object.keys(context.subscriptions).length > limits.operationsPerSocket) return [tooManyOperations(limits)];
      const preparation = prepareOperation(room, requestOf(context), payload);
      if (!preparation.ok) return preparation.refused.errors;
      const { document, operationName } = preparation.prepared;
      return { schema: room.schema, document, operationName, contextValue: preparation.prepared };
    },
    execute: ({ contextValue }) => runOperation(room, contextValue as PreparedOperation),
    subscribe: ({ contextValue }) => runOperation(room, contextValue as PreparedOperation),
  });

  const identify = async (init: Init | undefined, connection: Connection): Promise<Identified | null> => {
    if (typeof init?.token === 'string') return gate.identifyToken(init.token, connection.remoteAddress);
    return connection.session;
  };

  return {
    size: () => connections.size,
    all: () => [...connections].map((connection) => connection.socket),
    accept(socket, caller) {
      const connection: Connection = { ...caller, socket, gone: new AbortController(), caller: null };
      connections.add(connection);
      // Frames that break the protocol (too large, not UTF-8): ws has already closed the socket with the right code.
      socket.on('error', (error) => room.logger.debug({ err: error }, 'a websocket broke the protocol'));
      lookAfter(socket, { limits, now: options.monotonicNow, logger: room.logger });

      const closed = server.opened(channelOf(socket, room.logger), connection);
      socket.once('close', (code, reason) => {
        connections.delete(connection);
        connection.gone.abort();
        closed(code, String(reason)).catch((error) =>
          room.logger.error({ err: error }, 'a websocket closed uncleanly'),
        );
      });
    },
  };
}

function requestOf({ extra }: Context<Init, Connection>) {
  const { caller, gone } = extra;
  // graphql-ws lets nobody subscribe before `onConnect` has said yes.
  if (!caller) throw new Error('An operation came in on a connection that belongs to nobody.');
  const { principal, isFromBrowser } = caller;
  return {
    requestId: randomUUID(),
    transport: 'WEBSOCKET',
    principal,
    isFromBrowser,
    signal: gone.signal,
    lastEventId: null,
  } as const;
}

function countOf(connections: Iterable<Connection>, principal: Principal): number {
  let count = 0;
  for (const { caller } of connections) if (caller?.principal.name === principal.name) count += 1;
  return count;
}

function tooManyOperations(limits: SocketLimits): GraphQLError {
  return new GraphQLError(
    `This connection already has ${limits.operationsPerSocket} operations. Complete one, or open another connection.`,
    {
      extensions: { code: 'TOO_MANY_OPERATIONS' },
    },
  );
}
