import { join } from 'node:path';
import pino from 'pino';
import { type Config, parseDatabaseUrl, type Role } from '../config.ts';
import type { WakeTopic } from '../engine/context.ts';
import { createWake } from '../events/wake.ts';
import { isStored } from '../outputs/is-stored.ts';
import { checkAddress } from '../server/check-address.ts';
import { openDatabase } from '../store/database.ts';
import { establishEpoch } from '../store/epoch.ts';
import { prepareDatabase } from '../store/migrate.ts';
import { openStore } from '../store/open-store.ts';
import { startWatchdog } from '../worker/watchdog.ts';
import type { Foundation } from './foundation.ts';
import { warmUp } from './warm-up.ts';

/** A running server process. */
export type App = {
  /** Where the API is; null in a process without the role api. */
  readonly url: string | null;
  /** Opens GraphiQL without asking for a token: it holds a one-time code. Null without the role api. */
  readonly browserUrl: string | null;
  /** The admin token; null under --no-auth and without the role api. */
  readonly token: string | null;
  /** Stops everything in reverse order. `drainMs`: how long running blocks may go on; `graceMs`: how long they then have to end. */
  readonly stop: (options: { readonly drainMs: number; readonly graceMs: number }) => Promise<void>;
};

/**
 * Starts the roles that the configuration asks for, on one store. When something can't start, what had started is stopped
 * again, and the error says what to do.
 */
export async function startApp(config: Config): Promise<App> {
  // Before anything is made: whoever names the wrong folder, or a port that is taken, hears so at once and finds no new database afterwards.
  if (config.roles.has('scheduler')) {
    const { findProject } = await import('../project/read-project.ts');
    await findProject(config.projectDir);
  }
  if (config.roles.has('api')) await checkAddress({ host: config.host, port: config.port, hasTokens: config.auth });
  const destination = pino.destination({ dest: 2, sync: true });
  // A log that can't be written is no reason to stop.
  destination.on('error', () => {});
  const logger = pino({ level: config.logLevel }, destination);
  const stops: (() => Promise<void>)[] = [];
  const unwind = async () => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) {
      await stop().catch((error: unknown) => logger.error({ err: error }, 'could not stop in order'));
    }
  };
  try {
    // Read while Postgres comes up.
    const starters = loadRoles(config.roles);
    starters.catch(() => {});
    const foundation = await layFoundation(config, logger, (stop) => stops.push(stop));
    return await startRoles(foundation, await starters, unwind);
  } catch (error) {
    await unwind();
    throw error;
  }
}

async function layFoundation(config: Config, logger: pino.Logger, onStop: Foundation['onStop']): Promise<Foundation> {
  const watchdog = await startWatchdog();
  onStop(watchdog.stop);
  const store = await openStore({
    external: config.databaseUrl === null ? null : parseDatabaseUrl(config.databaseUrl),
    dataDir: config.dataDir,
    onPostmaster: watchdog.guardPostmaster,
    onProblem: (sentence) => logger.warn(sentence),
  });
  onStop(async () => {
    watchdog.guardPostmaster(null);
    await store.stop();
  });
  await prepareDatabase(store.settings);
  const database = openDatabase(store.settings, { poolSize: poolSizeOf(config) });
  onStop(database.close);

  // Also without the role api: no event may be written before it is known which history it belongs to.
  await establishEpoch(database);

  // An embedded Postgres is this process' own; another one may serve more processes, which hear of changes by the doorbell.
  const wake = await createWake<WakeTopic>({
    database,
    doorbell: store.kind === 'external',
    onProblem: (error) => logger.warn({ err: error }, 'a wake-up went wrong'),
  });
  onStop(wake.stop);
  const outputsRoot = join(config.dataDir, 'outputs');
  return {
    config,
    logger,
    watchdog,
    database,
    databaseKind: store.kind,
    wake,
    context: {
      database,
      wake: wake.wake,
      now: () => new Date(),
      isOutputStored: (path) => isStored(outputsRoot, path),
      env: config.env,
    },
    outputsRoot,
    onStop,
  };
}

/** Of a process that only works: its reports have a connection of their own, and many workers share the connections of one Postgres. */
const workerPoolSize = 4;

/** How many connections the process has for everything that is not a long wait. */
function poolSizeOf({ roles }: Config): number {
  return roles.has('api') || roles.has('scheduler') ? 10 : workerPoolSize;
}

type Starters = Awaited<ReturnType<typeof loadRoles>>;

/** How each asked role starts. The code of the others is not even read: three quarters of a worker's start would be an API's. */
async function loadRoles(roles: ReadonlySet<Role>) {
  return {
    startApi: roles.has('api') ? (await import('./api-role.ts')).startApiRole : null,
    startScheduler: roles.has('scheduler') ? (await import('./scheduler-role.ts')).startSchedulerRole : null,
    startWorker: roles.has('worker') ? (await import('./worker-role.ts')).startWorkerRole : null,
  };
}

async function startRoles(
  foundation: Foundation,
  { startApi, startScheduler, startWorker }: Starters,
  unwind: () => Promise<void>,
): Promise<App> {
  const { context } = foundation;
  const workerIds = new Set<bigint>();
  // The API first: a port that was taken just now is found before anything runs. The worker last: it works for the others.
  const api = (await startApi?.(foundation)) ?? null;
  const scheduler = (await startScheduler?.(foundation, () => [...workerIds])) ?? null;
  if (scheduler) api?.showProblemsOf(scheduler.project);
  const worker = (await startWorker?.(foundation, scheduler?.project() ?? null)) ?? null;
  if (worker) workerIds.add(worker.id);
  if (api) await warmUp(foundation.database.pool, context.now(), api);
  return {
    url: api?.url ?? null,
    browserUrl: api?.browserUrl() ?? null,
    token: api?.token ?? null,
    async stop({ drainMs, graceMs }) {
      await Promise.all([api?.drain(), worker?.stop({ drainMs, graceMs })]);
      await unwind();
    },
  };
}
