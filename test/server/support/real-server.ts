import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { abortBatchOperation } from '../../../src/engine/abort-batch.ts';
import { carryOutBatch } from '../../../src/engine/carry-out-batch.ts';
import { planOfRetry } from '../../../src/engine/retry-pipeline-run.ts';
import { startBatch } from '../../../src/engine/start-batch.ts';
import { triggerPipelineRun, triggerPipelineRuns } from '../../../src/engine/trigger-pipeline.ts';
import { createContextFactory, type GraphQLServices } from '../../../src/graphql/context.ts';
import { documentLimits } from '../../../src/graphql/limits.ts';
import { createSchema } from '../../../src/graphql/schema.ts';
import { createTokenAccess } from '../../../src/server/access.ts';
import { startServer } from '../../../src/server/start-server.ts';
import { openDatabase } from '../../../src/store/database.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { token } from './sample-server.ts';

/** A server with Penstock's own schema, on an empty database of its own; everything is gone when the test ends. */
export async function startReal(feed: GraphQLServices['feed']) {
  const home = await createTestDatabase();
  const database = openDatabase(home.connection);
  const engine = { database, wake: () => {}, now: () => new Date(), isOutputStored: async () => true, env: 'test' };
  const createContext = createContextFactory({
    database,
    feed,
    engine: {
      triggerPipelineRun: (input) => triggerPipelineRun(engine, input),
      triggerPipelineRuns: (inputs) => triggerPipelineRuns(engine, inputs),
      planOfRetry: (input) => planOfRetry(engine, input),
      startBatch: (input) => startBatch(engine, input),
      carryOutBatch: (input) => carryOutBatch(engine, input),
      abortBatchOperation: (batchId) => abortBatchOperation(engine, batchId),
    },
    outputs: { root: '/nowhere', sample: () => Promise.reject(new Error('There are no outputs.')) },
    server: {
      version: '0.0.0-test',
      startedAt: new Date('2026-03-01T00:00:00Z'),
      database: 'embedded',
      projectName: 'examples',
      schedulerAlive: async () => true,
      problems: () => [],
    },
  });
  const access = createTokenAccess({ token });
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    schema: createSchema(),
    createContext: (request, document) =>
      createContext({ principal: request.principal, isFromBrowser: request.isFromBrowser }, document),
    access,
    documentLimits,
    logger: pino({ level: 'silent' }),
    drainMs: 300,
  });
  onTestFinished(async () => {
    await server.close();
    await database.close();
    await home.drop();
  });
  return { server, access, url: server.url, wsUrl: `${server.url.replace('http', 'ws')}/graphql` };
}
