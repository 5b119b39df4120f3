import { createSourceEventStream, type ExecutionResult, execute, parse } from 'graphql';
import { abortBatchOperation } from '../../src/engine/abort-batch.ts';
import { carryOutBatch } from '../../src/engine/carry-out-batch.ts';
import { planOfRetry } from '../../src/engine/retry-pipeline-run.ts';
import { startBatch } from '../../src/engine/start-batch.ts';
import { triggerPipelineRun, triggerPipelineRuns } from '../../src/engine/trigger-pipeline.ts';
import { startEventFeed } from '../../src/events/feed.ts';
import type { Role } from '../../src/graphql/access.ts';
import { createContextFactory, type OutputReader } from '../../src/graphql/context.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { silentFeed } from './silent-feed.ts';

/** The schema over a database of its own, with the real engine, asked without a server in between. */
export type TestApi = {
  readonly database: Database;
  /** For a test that puts a server before it. */
  readonly createContext: ReturnType<typeof createContextFactory>;
  readonly ask: (source: string, options?: AskOptions) => Promise<ExecutionResult>;
  /** The data of an answer that has no errors; fails when it has. */
  readonly data: <Data = Record<string, unknown>>(
    source: string,
    variables?: Record<string, unknown>,
    role?: Role,
  ) => Promise<Data>;
  readonly subscribe: (source: string, options?: AskOptions) => Promise<AsyncIterable<unknown> | ExecutionResult>;
  /** Executes one event of a subscription, as the server does. */
  readonly deliver: (source: string, event: unknown) => Promise<Record<string, unknown>>;
  readonly close: () => Promise<void>;
};

export type AskOptions = {
  readonly variables?: Record<string, unknown>;
  /** ADMIN unless given; null for nobody. */
  readonly role?: Role | null;
  readonly isFromBrowser?: boolean;
};

const noOutputs: OutputReader = {
  root: '/nowhere',
  sample: () => Promise.reject(new Error('The disk is gone.')),
};

/** `isLive` follows the database's event log as a server does; without it nothing is followed. */
export async function startApi(
  parts: { readonly isLive?: boolean; readonly outputs?: OutputReader } = {},
): Promise<TestApi> {
  const home = await createTestDatabase();
  const database = openDatabase(home.connection);
  const feed = parts.isLive ? await startEventFeed({ database }) : null;
  const engine = {
    database,
    wake: () => feed?.wake(),
    now: () => new Date(),
    isOutputStored: async () => true,
    env: 'test',
  };
  const schema = createSchema();
  const createContext = createContextFactory({
    database,
    engine: {
      triggerPipelineRun: (input) => triggerPipelineRun(engine, input),
      triggerPipelineRuns: (inputs) => triggerPipelineRuns(engine, inputs),
      planOfRetry: (input) => planOfRetry(engine, input),
      startBatch: (input) => startBatch(engine, input),
      carryOutBatch: (input) => carryOutBatch(engine, input),
      abortBatchOperation: (batchId) => abortBatchOperation(engine, batchId),
    },
    feed: feed ?? silentFeed,
    outputs: parts.outputs ?? noOutputs,
    server: {
      version: '0.0.0-test',
      startedAt: new Date('2026-03-01T00:00:00Z'),
      database: 'embedded',
      projectName: 'examples',
      schedulerAlive: async () => true,
      problems: () => [],
    },
  });
  const argumentsFor = async (source: string, { variables, role = 'ADMIN', isFromBrowser = false }: AskOptions) => {
    const document = parse(source);
    const principal = role === null ? null : { name: 'ada', role };
    const contextValue = await createContext({ principal, isFromBrowser }, document);
    return { schema, document, contextValue, variableValues: variables ?? {} };
  };

  const ask = async (source: string, options: AskOptions = {}) => execute(await argumentsFor(source, options));

  return {
    database,
    createContext,
    ask,
    data: async (source, variables = {}, role = 'ADMIN') => dataOf(await ask(source, { variables, role })) as never,
    subscribe: async (source, options = {}) => createSourceEventStream(await argumentsFor(source, options)),
    deliver: async (source, event) => dataOf(await execute({ ...(await argumentsFor(source, {})), rootValue: event })),
    close: async () => {
      await feed?.stop();
      await database.close();
      await home.drop();
    },
  };
}

function dataOf({ data, errors }: ExecutionResult): Record<string, unknown> {
  if (errors || !data) throw new AggregateError(errors ?? [], `The answer has errors:\n${errors?.join('\n')}`);
  return data;
}

/** The `extensions.code` of the first error of a result. */
export function errorCode(result: ExecutionResult): unknown {
  return result.errors?.[0]?.extensions.code;
}
