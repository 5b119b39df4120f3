import { basename } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { abortBatchOperation } from '../engine/abort-batch.ts';
import { carryOutBatch } from '../engine/carry-out-batch.ts';
import { planOfRetry } from '../engine/retry-pipeline-run.ts';
import { startBatch } from '../engine/start-batch.ts';
import { triggerPipelineRun, triggerPipelineRuns } from '../engine/trigger-pipeline.ts';
import { startEventFeed } from '../events/feed.ts';
import { createContextFactory } from '../graphql/context.ts';
import { documentLimits } from '../graphql/limits.ts';
import { createSchema } from '../graphql/schema.ts';
import { sampleOutput } from '../outputs/sample-output.ts';
import { atMost } from '../project/at-most.ts';
import type { Project } from '../project/project.ts';
import { createOpenAccess, createTokenAccess } from '../server/access.ts';
import { startServer } from '../server/start-server.ts';
import { loadOrCreateToken } from '../server/token-file.ts';
import { isSchedulerAlive } from '../store/scheduler-presence.ts';
import type { Foundation } from './foundation.ts';

export type ApiRole = {
  readonly url: string;
  readonly token: string | null;
  /** A URL for a browser, with a fresh one-time code. */
  readonly browserUrl: () => string;
  /** Where `Server.problems` looks. */
  readonly showProblemsOf: (project: () => Project | null) => void;
  /** Stops taking streams and ends those that there are. */
  readonly drain: () => Promise<void>;
};

/**
 * Batches that are begun at once. Each is several transactions: a thousand callers who take turns with every one of these are all answered at the
 * very end, and leave no connection to anybody who only reads.
 */
const batchesAtOnce = 8;

/** Starts the role api: the event feed, the schema and the server. Throws ListenError when the address can't be had. */
export async function startApiRole(foundation: Foundation): Promise<ApiRole> {
  const { config, context, database, wake, logger, outputsRoot, onStop } = foundation;
  let project: () => Project | null = () => null;
  const feed = await startEventFeed({
    database,
    onProblem: (error) => logger.warn({ err: error }, 'could not follow the event log'),
  });
  onStop(feed.stop);
  for (const [topic, listener] of [
    ['events', feed.wake],
    ['ends', feed.hurry],
  ] as const) {
    const leave = wake.on(topic, listener);
    onStop(async () => leave());
  }

  const inTurn = atMost(batchesAtOnce);
  const createContext = createContextFactory({
    database,
    feed,
    engine: {
      triggerPipelineRun: (input) => triggerPipelineRun(context, input),
      triggerPipelineRuns: (inputs) => triggerPipelineRuns(context, inputs),
      planOfRetry: (input) => planOfRetry(context, input),
      startBatch: (input) => inTurn(() => startBatch(context, input)),
      carryOutBatch: (input) => inTurn(() => carryOutBatch(context, input)),
      abortBatchOperation: (batchId) => abortBatchOperation(context, batchId),
    },
    outputs: { root: outputsRoot, sample: sampleOutput },
    server: {
      version: packageJson.version,
      startedAt: context.now(),
      database: foundation.databaseKind,
      projectName: basename(config.projectDir),
      schedulerAlive: () => isSchedulerAlive(database.pool),
      problems: () => project()?.problems ?? [],
    },
  });
  const token = config.auth ? await loadOrCreateToken(config.dataDir) : null;
  const access = token === null ? createOpenAccess() : createTokenAccess({ token });
  const server = await startServer({
    host: config.host,
    port: config.port,
    schema: createSchema(),
    createContext: (request, document) =>
      createContext({ principal: request.principal, isFromBrowser: request.isFromBrowser }, document),
    access,
    documentLimits,
    allowedHosts: config.allowedHosts,
    allowedOrigins: config.allowedOrigins,
    logger,
  });
  onStop(server.close);
  return {
    url: server.url,
    token,
    browserUrl: () => (token === null ? `${server.url}/graphiql` : `${server.url}/login?code=${access.newLoginCode()}`),
    showProblemsOf: (source) => {
      project = source;
    },
    drain: server.drain,
  };
}
