import type { WebSocket } from 'ws';

/** "Service restart": clients of graphql-ws reconnect after it. */
const serviceRestart = 1012;

/**
 * Says goodbye to all sockets within `spreadMs`, each at its own moment, so that their clients don't all come back in the same one; cuts those that
 * have not answered by `deadlineMs`. Settles when none is left. `random` gives numbers from 0 to 1.
 */
export async function closeInWaves(
  sockets: readonly WebSocket[],
  options: { readonly spreadMs: number; readonly deadlineMs: number; readonly random: () => number },
): Promise<void> {
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          if (socket.readyState === socket.CLOSED) return resolve();
          const goodbye = setTimeout(() => {
            // A paused socket would never see the answer.
            socket.resume();
            socket.close(serviceRestart, 'The server restarts.');
          }, options.random() * options.spreadMs);
          const cut = setTimeout(() => socket.terminate(), options.deadlineMs);
          socket.once('close', () => {
            clearTimeout(goodbye);
            clearTimeout(cut);
            resolve();
          });
        }),
    ),
  );
}
