/** What one WebSocket, one caller and one process may hold, and how patient we are. Times in milliseconds. */
export type SocketLimits = {
  /** Operations at once on a socket. One more is refused; the others and the socket go on. */
  readonly operationsPerSocket: number;
  readonly socketsPerPrincipal: number;
  readonly socketsPerProcess: number;
  /** Messages a second that are read from a socket in the long run; a burst of twice as many is taken at once. */
  readonly messagesPerSecond: number;
  /** Largest message a client may send, in bytes. */
  readonly maxMessageBytes: number;
  /** Bytes waiting to be sent beyond which nothing more is read from the client. */
  readonly maxBacklogBytes: number;
  /** How long a client may take to say `connection_init`. */
  readonly initTimeoutMs: number;
  /** After so long a silence the client is pinged; after twice as long it is taken for dead. */
  readonly keepAliveMs: number;
  /** How long a client may take none of what waits for it. */
  readonly stallMs: number;
};

export const defaultSocketLimits: SocketLimits = {
  operationsPerSocket: 100,
  socketsPerPrincipal: 1_000,
  socketsPerProcess: 10_000,
  messagesPerSecond: 500,
  maxMessageBytes: 128 * 1024,
  maxBacklogBytes: 1024 * 1024,
  initTimeoutMs: 3_000,
  keepAliveMs: 12_000,
  stallMs: 30_000,
};
