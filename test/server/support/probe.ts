import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { token } from './sample-server.ts';

export type Message = { readonly type: string; readonly id?: string; readonly payload?: unknown };

/** A WebSocket that speaks only what a test says, so that protocol mistakes can be made on purpose. */
export type Probe = {
  readonly socket: WebSocket;
  readonly send: (message: unknown) => void;
  /** The next message that was not asked for yet. Rejects with the close code when the socket closes first. */
  readonly next: () => Promise<Message>;
  /** Messages that came and were not asked for. */
  readonly unread: () => readonly Message[];
  /** Code and reason once it has closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Says connection_init with the token and waits for the ack. */
  readonly init: () => Promise<Probe>;
};

/** Opens a WebSocket and waits until it is open; rejects with the HTTP status when the upgrade is refused. */
export async function probe(
  url: string,
  options: {
    readonly headers?: Record<string, string>;
    readonly protocols?: readonly string[];
    readonly autoPong?: boolean;
  } = {},
): Promise<Probe> {
  const socket = new WebSocket(url, [...(options.protocols ?? ['graphql-transport-ws'])], {
    headers: options.headers ?? {},
    autoPong: options.autoPong ?? true,
  });
  onTestFinished(() => socket.terminate());
  const messages: Message[] = [];
  const readers: { resolve: (message: Message) => void; reject: (error: Error) => void }[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => {
      resolve({ code, reason: String(reason) });
      for (const reader of readers.splice(0)) reader.reject(new Error(`closed ${code} ${reason}`));
    });
  });
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as Message;
    const reader = readers.shift();
    if (reader) reader.resolve(message);
    else messages.push(message);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_, response) => reject(new Error(`refused ${response.statusCode}`)));
  });
  socket.on('error', () => undefined);

  const self: Probe = {
    socket,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    next: () =>
      new Promise((resolve, reject) => {
        const message = messages.shift();
        if (message) resolve(message);
        else if (socket.readyState === socket.CLOSED) reject(new Error('closed'));
        else readers.push({ resolve, reject });
      }),
    unread: () => messages,
    closed,
    async init() {
      self.send({ type: 'connection_init', payload: { token } });
      const ack = await self.next();
      if (ack.type !== 'connection_ack') throw new Error(`expected an ack, got ${ack.type}`);
      return self;
    },
  };
  return self;
}

/** A probe that has introduced itself. */
export async function connected(url: string): Promise<Probe> {
  return (await probe(url)).init();
}

export function subscribe(id: string, query: string, more: Record<string, unknown> = {}): unknown {
  return { id, type: 'subscribe', payload: { query, ...more } };
}
