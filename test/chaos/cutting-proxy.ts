import { connect, createServer, type Socket } from 'node:net';
import type { ConnectionSettings } from '../../src/store/connection.ts';

/** What stands between one worker and Postgres, and can cut at the worst moment. */
export type CuttingProxy = {
  /** URL of the database through it. */
  readonly url: string;
  /** The next connection that asks for a step is cut right after the question was passed on: the answer to a COMMIT is lost. */
  readonly cutAtNextStep: () => void;
  /** How many were cut. */
  readonly cuts: () => number;
  readonly close: () => Promise<void>;
};

/** A worker binds this prepared statement for each step, in a message of its own or behind others: portal '' and the name. */
const stepMessage = Buffer.from('\0step\0');

/** Starts a proxy on a free port of the loopback. */
export async function startCuttingProxy(postgres: ConnectionSettings): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let armed = false;
  let cuts = 0;
  const server = createServer({ allowHalfOpen: true }, (worker) => {
    const behind = connect(`${postgres.host}/.s.PGSQL.${postgres.port}`);
    for (const socket of [worker, behind]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => open.delete(socket));
    }
    worker.on('close', () => behind.destroySoon());
    behind.on('close', () => worker.destroy());
    behind.on('data', (chunk) => worker.write(chunk));
    worker.on('end', () => behind.end());
    worker.on('data', (chunk) => {
      if (!armed || !chunk.includes(stepMessage)) return void behind.write(chunk);
      armed = false;
      cuts++;
      // Postgres gets all of it and will commit; the worker never hears so.
      behind.removeAllListeners('data');
      behind.resume();
      behind.end(chunk);
      worker.destroy();
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `postgresql://${postgres.user}@127.0.0.1:${port}/${postgres.database}`,
    cutAtNextStep: () => {
      armed = true;
    },
    cuts: () => cuts,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
