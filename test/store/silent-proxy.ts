import { connect, createServer, type Socket } from 'node:net';
import type { ConnectionSettings } from '../../src/store/connection.ts';

/** A network between Postgres and its clients that can fall silent without a word: nothing is refused, nothing breaks, nothing arrives. */
export type SilentProxy = {
  /** Where the database is, through the network. */
  readonly settings: ConnectionSettings;
  /** Forgets the connections that there are: their packets are lost from now on. New ones work. */
  readonly forgetConnections: () => void;
  /** Loses everything: also what is sent over new connections. */
  readonly fallSilent: () => void;
  /** Carries new connections again. */
  readonly speak: () => void;
  readonly close: () => Promise<void>;
};

/** Starts one on a free port of the loopback, before a Postgres that listens on a Unix socket. */
export async function startSilentProxy(postgres: ConnectionSettings): Promise<SilentProxy> {
  const open = new Set<Socket>();
  let lost = new Set<Socket>();
  let isSilent = false;
  const server = createServer((client) => {
    const behind = connect(`${postgres.host}/.s.PGSQL.${postgres.port}`);
    if (isSilent) lost.add(client);
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(from);
      from.on('error', () => {});
      from.on('data', (chunk) => lost.has(client) || to.write(chunk));
      from.on('close', () => {
        open.delete(from);
        if (!lost.has(client)) to.destroy();
      });
    }
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as { port: number };
  return {
    settings: { ...postgres, host: '127.0.0.1', port },
    forgetConnections: () => {
      lost = new Set(open);
    },
    fallSilent: () => {
      isSilent = true;
      lost = new Set(open);
    },
    speak: () => {
      isSilent = false;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
