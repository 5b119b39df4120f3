/**
 * The whole read side in a process of its own: a database, the event feed, Penstock's schema and the server. Told to `flood`, it writes 100,000 events
 * as the engine does, ten runs in turn; told to `measure`, it collects garbage and says what it holds. The connection comes as JSON.
 */
import { pino } from 'pino';
import { startEventFeed } from '../../../src/events/feed.ts';
import { createContextFactory } from '../../../src/graphql/context.ts';
import { documentLimits } from '../../../src/graphql/limits.ts';
import { createSchema } from '../../../src/graphql/schema.ts';
import { createTokenAccess } from '../../../src/server/access.ts';
import { startServer } from '../../../src/server/start-server.ts';
import type { ConnectionSettings } from '../../../src/store/connection.ts';
import { openTestLog } from '../../events/test-log.ts';

const refuses = () => Promise.reject(new Error('Nothing is to be done here.'));
const log = await openTestLog(JSON.parse(process.argv[2] ?? '{}') as ConnectionSettings, 6);
const feed = await startEventFeed({ database: log.database });
const createContext = createContextFactory({
  database: log.database,
  feed,
  engine: {
    triggerPipelineRun: refuses,
    triggerPipelineRuns: refuses,
    planOfRetry: refuses,
    startBatch: refuses,
    carryOutBatch: refuses,
    abortBatchOperation: refuses,
  },
  outputs: { root: '/nowhere', sample: refuses },
  server: {
    version: '0.0.0-test',
    startedAt: new Date(),
    database: 'embedded',
    projectName: 'examples',
    schedulerAlive: async () => true,
    problems: () => [],
  },
});
const server = await startServer({
  host: '127.0.0.1',
  port: 0,
  schema: createSchema(),
  createContext: ({ principal, isFromBrowser }, document) => createContext({ principal, isFromBrowser }, document),
  access: createTokenAccess({ token: 'the-token-of-the-tests' }),
  documentLimits,
  logger: pino({ level: 'silent' }),
});
const runs = await log.createRuns(10);

async function flood(): Promise<void> {
  for (let n = 0; n < 200; n += 1) {
    await log.append(runs[n % runs.length] ?? 0n, 500);
    feed.wake();
  }
}

process.on('message', (order) => {
  if (order === 'flood') void flood();
  if (order === 'measure') {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.send?.({ held: heapUsed + external, streams: feed.listeners() });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ url: server.url });
