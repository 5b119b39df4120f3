import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import type { Role } from '../graphql/access.ts';
import type { Access } from './access.ts';
import { sessionCookieName } from './cookies.ts';
import { createDocumentCache } from './document-cache.ts';
import { closeInWaves } from './drain.ts';
import type { OpenStreams } from './event-stream.ts';
import { createFailureLimit } from './failure-limit.ts';
import { createGate } from './gate.ts';
import { createGraphiQL } from './graphiql.ts';
import { authorityOf, createAllowList, isLoopback } from './hosts.ts';
import { createHttp } from './http.ts';
import { createHttpGraphQL } from './http-graphql.ts';
import { explainListenFailure, openToTheWorld } from './listen-error.ts';
import type { CreateContext, DocumentLimits, OperationRoom } from './operation-room.ts';
import { defaultSocketLimits, type SocketLimits } from './socket-limits.ts';
import { createUpgrade } from './upgrade.ts';
import { createSockets } from './websocket.ts';

export type ServerOptions = {
  /** Address to listen on; anything but loopback needs an `access` with tokens. */
  readonly host: string;
  /** 0 lets the system pick one. */
  readonly port: number;
  readonly schema: GraphQLSchema;
  readonly createContext: CreateContext;
  readonly access: Access;
  /** How large documents may be. */
  readonly documentLimits: DocumentLimits;
  /** More names by which this server is called, for instance behind a proxy: `penstock.example` or `penstock.example:8443`. */
  readonly allowedHosts?: readonly string[];
  /** More pages that may send requests, as exact origins: `https://dashboard.example`. */
  readonly allowedOrigins?: readonly string[];
  readonly logger: Logger;
  readonly socketLimits?: Partial<SocketLimits>;
  /** How long a query may take, in milliseconds; 10 s unless given. A mutation may take three times as long. */
  readonly deadlineMs?: number;
  /** Who may read the schema through the API, and gets suggestions of names. */
  readonly introspectingRoles?: readonly Role[];
  /** Wrong tokens or codes of one address within a minute before it is told to wait. */
  readonly failuresPerMinute?: number;
  /** How long `drain` and `close` take at most, in milliseconds; 2 s unless given. Goodbyes to sockets are spread over half of it. */
  readonly drainMs?: number;
};

export type RunningServer = {
  /** `http://127.0.0.1:4800`, without a path. */
  readonly url: string;
  readonly port: number;
  /** The address listened on. */
  readonly address: string;
  /** WebSockets open now. */
  readonly openSockets: () => number;
  /** Stops taking upgrades, says "not ready", ends streams, and closes sockets in waves (1012). Queries are still answered. */
  readonly drain: () => Promise<void>;
  /** Drains and stops listening. Settles when no connection is left; those that don't end by themselves are cut. */
  readonly close: () => Promise<void>;
};

/**
 * Starts the API server: GraphQL by POST, GET, event stream and WebSocket at `/graphql`, GraphiQL, login and health.
 * Throws ListenError when the address can't be had, or may not be.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  if (options.access.anonymous && !isLoopback(options.host)) throw openToTheWorld(options.host, options.port);
  const server = await listen(options.host, options.port);
  const { address, port } = server.address() as AddressInfo;
  const limits = { ...defaultSocketLimits, ...options.socketLimits };
  // A reader that takes nothing of an answer. Streams and WebSockets have watchers of their own.
  server.setTimeout(limits.stallMs);
  const drainMs = options.drainMs ?? 2_000;
  const streams: OpenStreams = new Set();
  let draining: Promise<void> | null = null;
  const isDraining = () => draining !== null;

  const room: OperationRoom = {
    schema: options.schema,
    createContext: options.createContext,
    limits: options.documentLimits,
    documents: createDocumentCache(),
    introspectingRoles: options.introspectingRoles ?? ['OPERATOR', 'ADMIN'],
    deadlineMs: options.deadlineMs ?? 10_000,
    logger: options.logger,
  };
  const cookieName = sessionCookieName(port);
  const failures = createFailureLimit({
    failures: options.failuresPerMinute ?? 20,
    windowMs: 60_000,
    now: () => performance.now(),
  });
  const allowed = createAllowList({
    host: options.host,
    port,
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
  });
  const gate = createGate({ access: options.access, allowed, failures, cookieName });
  const sockets = createSockets(room, { gate, limits, monotonicNow: () => performance.now() });

  server.on('upgrade', createUpgrade({ gate, sockets, limits, isDraining }));
  server.on(
    'request',
    createHttp({
      gate,
      access: options.access,
      failures,
      cookieName,
      graphql: createHttpGraphQL(room, { open: streams, keepAliveMs: limits.keepAliveMs, stallMs: limits.stallMs }),
      graphiql: createGraphiQL(),
      isDraining,
      logger: options.logger,
    }),
  );

  const drain = () => {
    draining ??= (async () => {
      for (const end of streams) end();
      server.closeIdleConnections();
      await closeInWaves(sockets.all(), { spreadMs: drainMs / 2, deadlineMs: drainMs, random: Math.random });
    })();
    return draining;
  };

  return {
    url: `http://${authorityOf(options.host === '0.0.0.0' || options.host === '::' ? 'localhost' : options.host, port)}`,
    port,
    address,
    openSockets: sockets.size,
    drain,
    async close() {
      // At once, not one after the other: an interrupted server has to be gone soon.
      await Promise.all([drain(), stop(server, drainMs)]);
    },
  };
}

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer({
    // A slow-loris client holds a connection no longer than this.
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 10_000,
    maxHeaderSize: 32 * 1024,
  });
  try {
    server.listen({ host, port });
    await once(server, 'listening');
    return server;
  } catch (error) {
    throw explainListenFailure(error as NodeJS.ErrnoException, host, port);
  }
}

/** Lets answers that are being written get out, for `graceMs` at most. */
async function stop(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
}
