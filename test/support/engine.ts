import {
  type BlockDefinition,
  defaultRetryConfig,
  type PipelineDefinition,
  type TriggerRule,
} from '../../src/domain/pipeline.ts';
import { admitRuns } from '../../src/engine/admit-runs.ts';
import type { EngineContext, WakeTopic } from '../../src/engine/context.ts';
import { type TriggerPipelineInput, triggerPipelineRun } from '../../src/engine/trigger-pipeline.ts';
import { savePipelines } from '../../src/store/catalog.ts';
import { completeAndFollow } from '../../src/store/complete-and-follow.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { type Claim, type Finish, type StepResult, step } from '../../src/store/step.ts';
import { registerWorker } from '../../src/store/workers.ts';
import { createTestDatabase } from './postgres.ts';

/** The engine on a database of its own, with a clock that a test may set. */
export type TestEngine = {
  readonly database: Database;
  readonly context: EngineContext;
  /** What was woken since it was last asked. */
  readonly woken: () => ReadonlySet<WakeTopic>;
  readonly setNow: (now: Date | null) => void;
  /** Makes a pipeline whose block b1, b2, … waits for those at the given places, counted from 0. */
  readonly pipeline: (uuid: string, dag: readonly (readonly number[])[], options?: PipelineOptions) => Promise<void>;
  /** Triggers and admits a run. */
  readonly start: (pipelineUuid: string, input?: Partial<TriggerPipelineInput>) => Promise<bigint>;
  /** Lets admission look once. */
  readonly admit: () => Promise<number>;
  readonly worker: () => Promise<TestWorker>;
  readonly runRow: (id: bigint) => Promise<Record<string, unknown>>;
  readonly statuses: (runId: bigint) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
};

type PipelineOptions = {
  readonly rules?: readonly TriggerRule[];
  readonly crashRetries?: number;
  readonly isRunnable?: boolean;
  readonly version?: string;
  readonly variables?: PipelineDefinition['variables'];
  readonly concurrency?: Partial<PipelineDefinition['concurrency']>;
};

/** A worker in a test's hand: it claims and reports when told. */
export type TestWorker = {
  readonly id: bigint;
  readonly step: (want: number, finishes?: readonly Finish[]) => Promise<StepResult>;
  /** Reports a completion the short way, where it can; null where it can't. */
  readonly follow: (claim: Claim, given?: Partial<Finish>) => Promise<Claim | null>;
  readonly end: () => Promise<void>;
};

export async function createTestEngine(): Promise<TestEngine> {
  const testDatabase = await createTestDatabase();
  const database = openDatabase(testDatabase.connection, { poolSize: 6 });
  let woken = new Set<WakeTopic>();
  let set: Date | null = null;
  const context: EngineContext = {
    database,
    wake: (...topics) => {
      for (const topic of topics) woken.add(topic);
    },
    now: () => set ?? new Date(),
    isOutputStored: async () => true,
    env: 'prod',
  };
  const workers: TestWorker[] = [];

  return {
    database,
    context,
    woken() {
      const seen = woken;
      woken = new Set();
      return seen;
    },
    setNow(now) {
      set = now;
    },
    async pipeline(uuid, dag, options = {}) {
      const definition = definitionOf(uuid, dag, options);
      const isRunnable = options.isRunnable ?? true;
      const problems = isRunnable
        ? []
        : [{ severity: 'error' as const, file: `pipelines/${uuid}/metadata.yaml`, line: 1, message: 'It is broken.' }];
      await database.transaction(async (client) => {
        const kept = (await client.query<{ uuid: string }>('select uuid from pipeline where removed_at is null')).rows;
        await savePipelines(
          client,
          [{ uuid, version: options.version ?? 'v1', definition, problems, isRunnable }],
          context.now(),
        );
        await client.query('update pipeline set removed_at = null where uuid = any($1)', [kept.map((row) => row.uuid)]);
      });
    },
    async start(pipelineUuid, input = {}) {
      const answer = await triggerPipelineRun(context, {
        pipelineUuid,
        triggerId: null,
        variables: {},
        executionDate: null,
        idempotencyKey: null,
        cause: 'api',
        actor: 'ada',
        ...input,
      });
      if (!answer.ok) throw new Error(answer.refusal.message);
      await admitRuns(context);
      return answer.value.runId;
    },
    admit: async () => (await admitRuns(context)).started,
    async worker() {
      const id = await registerWorker(
        database.pool,
        { host: 'test', pid: 1, labels: ['default'], slots: 4 },
        context.now(),
      );
      const client = await database.connect('test-worker');
      const worker: TestWorker = {
        id,
        step: (want, finishes = []) => step(client, id, 'default', want, true, finishes, context.now()),
        follow: (claim, given = {}) =>
          completeAndFollow(client, id, 'default', ended(claim, 'completed', given), claim, context.now()),
        end: () => client.end(),
      };
      workers.push(worker);
      return worker;
    },
    async runRow(id) {
      return (await database.pool.query('select * from pipeline_run where id = $1', [id])).rows[0];
    },
    async statuses(runId) {
      const result = await database.pool.query<{ status: string }>(
        'select status from block_run where pipeline_run_id = $1 order by position',
        [runId],
      );
      return result.rows.map((row) => row.status);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.end()));
      await database.close();
      await testDatabase.drop();
    },
  };
}

/** The report of a claim that came to an end. */
export function ended(claim: Claim, outcome: Finish['outcome'] = 'completed', given: Partial<Finish> = {}): Finish {
  const failed = outcome === 'failed' || outcome === 'retry';
  return {
    blockRunId: claim.id,
    pipelineRunId: claim.run,
    attempt: claim.attempt,
    fence: claim.fence,
    outcome,
    code: failed ? 'BLOCK_ERROR' : outcome === 'completed' ? 'SUCCEEDED' : 'SHUTDOWN',
    message: failed ? 'boom' : 'It ended.',
    error: failed ? { blockUuid: claim.uuid, type: 'ValueError', message: 'boom', stackTrace: null } : null,
    outputs: [],
    tests: [],
    cpuTimeMs: 1,
    maxRssBytes: 1000,
    droppedLines: 0,
    pid: 4711,
    retryAt: null,
    ...given,
  };
}

function definitionOf(uuid: string, dag: readonly (readonly number[])[], options: PipelineOptions): PipelineDefinition {
  const name = (place: number) => `b${place + 1}`;
  const blocks = dag.map(
    (upstream, place): BlockDefinition => ({
      uuid: name(place),
      name: name(place),
      type: 'custom',
      language: 'typescript',
      upstreamBlocks: upstream.map(name),
      downstreamBlocks: dag.flatMap((above, below) => (above.includes(place) ? [name(below)] : [])),
      conditionals: [],
      callbacks: [],
      file: 'custom/block.ts',
      code: 'export default () => {}',
      configuration: {},
      retryConfig: defaultRetryConfig,
      crashRetries: options.crashRetries ?? 2,
      timeoutSeconds: null,
      triggerRule: options.rules?.[place] ?? 'all_success',
      executorType: 'local',
      label: 'default',
    }),
  );
  return {
    uuid,
    name: uuid,
    description: null,
    type: 'python',
    tags: ['test'],
    variables: options.variables ?? {},
    blocks,
    conditionals: [],
    callbacks: [],
    concurrency: {
      blockRunLimit: null,
      pipelineRunLimit: null,
      pipelineRunLimitAllTriggers: null,
      onPipelineRunLimitReached: 'wait',
      ...options.concurrency,
    },
    retryConfig: defaultRetryConfig,
  };
}
