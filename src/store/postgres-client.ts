import type { Socket } from 'node:net';
import pg from 'pg';

/** How long a server may be silent, in milliseconds. */
export type Patience = {
  /** From the first packet until it is ready for queries. */
  readonly connectMs: number;
  /** While a statement is under way and not a byte of its answer comes. */
  readonly answerMs: number;
};

/** For ordinary connections: no statement of ours takes so long. */
export const ordinaryPatience: Patience = { connectMs: 10_000, answerMs: 60_000 };

/** An idle connection asks its other end after so long whether it is still there, and ten times more, a second apart, before it breaks. */
const keepAliveAfterMs = 10_000;

/** A process that was stopped, or slept, finds its timers over before it has read what came meanwhile: it gets as long to read it. */
const secondLookMs = 1000;

/** How long the other end has to close a connection that ends in order. */
const goodbyeMs = 1000;

/**
 * A class of Postgres clients that wait for a silent network as long as told, and no longer: packets may be lost without a word, by a
 * firewall that forgot the connection or a machine that was unplugged. A connection that breaks so rejects what was under way like any other.
 */
export function patientClient({ connectMs, answerMs }: Patience): new (config?: pg.ClientConfig) => pg.Client {
  return class PatientClient extends pg.Client {
    constructor(config: pg.ClientConfig = {}) {
      super({
        ...config,
        // A pool hides it from those who list what it is made of, so the line above leaves it out.
        ...(config.password === undefined ? {} : { password: config.password }),
        connectionTimeoutMillis: connectMs,
        keepAlive: true,
        keepAliveInitialDelayMillis: keepAliveAfterMs,
      });
      this.once('connect', () => breakWhenSilent(this.connection.stream as Socket, answerMs, () => isWaiting(this)));
    }

    override end(): Promise<void>;
    override end(callback: (error: Error) => void): void;
    override end(callback?: (error: Error) => void): Promise<void> | void {
      // It says goodbye, and waits until the other end has closed too.
      const cut = setTimeout(() => this.connection.stream.destroy(), goodbyeMs);
      this.once('end', () => clearTimeout(cut));
      return callback ? super.end(callback) : super.end();
    }
  };
}

function breakWhenSilent(socket: Socket, ms: number, isWaiting: () => boolean): void {
  socket.setTimeout(ms);
  socket.on('timeout', () => {
    const { bytesRead } = socket;
    setTimeout(() => {
      if (isWaiting() && socket.bytesRead === bytesRead)
        socket.destroy(new Error(`Postgres said nothing for ${ms / 1000} s.`));
    }, secondLookMs).unref();
  });
}

/** Whether a statement is under way. pg says so by a field that its types leave out. */
function isWaiting(client: pg.Client): boolean {
  return 'readyForQuery' in client && client.readyForQuery === false;
}

/** What the server does for a client that has vanished: its session ends within half a minute. */
const sessionSettings = [
  `set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
   set tcp_user_timeout = '30s'`,
  // Also in the middle of a statement, where the server's system can tell; elsewhere it refuses.
  `set client_connection_check_interval = '10s'`,
] as const;

/**
 * Has the server end a new session soon when its client vanishes. Without this the rows that it has locked, and its claim to be alive, stay
 * for as long as the server's system keeps the connection: often two hours. A Unix socket breaks when its other end does.
 */
export async function endWhenVanished(client: pg.ClientBase, host: string): Promise<void> {
  if (host.startsWith('/')) return;
  for (const settings of sessionSettings) await client.query(settings).catch(() => {});
}
