import { setTimeout as delay } from 'node:timers/promises';
import { type PostgresProcess, sendSignal, stopPostmaster } from './postgres-process.ts';
import { type ServerPlan, startServer } from './server.ts';

/** A Postgres that is started again when it ends unasked, until it is stopped. */
export type Supervisor = {
  readonly pid: () => number;
  /** Stops Postgres; resolves when it has ended. */
  readonly stop: () => Promise<void>;
};

/** How long to wait before each next try to start it again; the last one repeats. */
const restartAfterMs = [0, 500, 1_000, 2_000, 5_000];

/** Starts Postgres and keeps it running. Throws DataDirectoryError when the first start fails. */
export async function supervise(plan: ServerPlan): Promise<Supervisor> {
  const stopping = new AbortController();
  let server = await startServer(plan);

  // For a process that ends without `stop`. Nothing asynchronous may happen here; Postgres shuts down by itself.
  const onExit = () => sendSignal(server.pid, 'SIGINT');
  process.once('exit', onExit);

  const kept = keepRunning();
  async function keepRunning(): Promise<void> {
    for (;;) {
      const how = await server.ended;
      if (stopping.signal.aborted) return;
      plan.onProblem(`Postgres ended unexpectedly (${how}); starting it again.`);
      const next = await restart(plan, stopping.signal);
      if (next === undefined) return;
      server = next;
      if (stopping.signal.aborted) return;
      plan.onProblem('Postgres is back.');
    }
  }

  return {
    pid: () => server.pid,
    stop: async () => {
      stopping.abort();
      process.off('exit', onExit);
      await end(server);
      await kept;
      // It may have been in the middle of a restart.
      await end(server);
    },
  };
}

async function end(server: PostgresProcess): Promise<void> {
  if (server.hasEnded()) return;
  server.hold();
  await stopPostmaster(server.pid);
  await server.ended;
}

async function restart(plan: ServerPlan, stopping: AbortSignal): Promise<PostgresProcess | undefined> {
  for (let tries = 0; !stopping.aborted; tries++) {
    try {
      await delay(restartAfterMs[Math.min(tries, restartAfterMs.length - 1)], undefined, { signal: stopping });
      return await startServer(plan);
    } catch (error) {
      if (!stopping.aborted) plan.onProblem(error instanceof Error ? error.message : String(error));
    }
  }
  return undefined;
}
