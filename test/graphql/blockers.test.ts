import { parse } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PipelineDefinition } from '../../src/domain/pipeline.ts';
import { admitRuns } from '../../src/engine/admit-runs.ts';
import { triggerPipelineRun } from '../../src/engine/trigger-pipeline.ts';
import { documentLimits } from '../../src/graphql/limits.ts';
import { createSchema } from '../../src/graphql/schema.ts';
import { enterScheduler } from '../../src/store/scheduler-presence.ts';
import { step } from '../../src/store/step.ts';
import { endWorker, holdWorkerLock, registerWorker } from '../../src/store/workers.ts';
import { startApi, type TestApi } from './api.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;
let session: pg.Client;

const unlimited = { blockRunLimit: null, pipelineRunLimit: null, pipelineRunLimitAllTriggers: null } as const;
const concurrency = (given: Partial<PipelineDefinition['concurrency']>) => ({
  concurrency: { ...unlimited, onPipelineRunLimitReached: 'wait' as const, ...given },
});

beforeAll(async () => {
  api = await startApi();
  session = await api.database.connect('test');
  await saveProject(api.database, [
    { ...chain('free', ['load', 'clean']), ...concurrency({}) },
    { ...chain('one', ['load', 'clean']), ...concurrency({ pipelineRunLimit: 1 }) },
    { ...chain('none', ['load', 'clean']), ...concurrency({ pipelineRunLimitAllTriggers: 0 }) },
  ]);
});
afterAll(async () => {
  await session?.end();
  await api?.close();
});

const context = () => ({
  database: api.database,
  wake: () => {},
  now: () => new Date(),
  isOutputStored: async () => true,
  env: 'test',
});

async function start(pipelineUuid: string): Promise<bigint> {
  const answer = await triggerPipelineRun(context(), {
    pipelineUuid,
    triggerId: null,
    variables: {},
    executionDate: null,
    idempotencyKey: null,
    cause: 'api',
    actor: 'ada',
  });
  if (!answer.ok) throw new Error(answer.refusal.message);
  await admitRuns(context());
  return answer.value.runId;
}

type Shown = {
  code: string;
  scope: string;
  holders: { id: string }[] | null;
  holderBlockRuns: { blockUuid: string }[] | null;
};
type Answer = { pipelineRun: { blockers: Shown[]; blockRuns: { nodes: { blockUuid: string; blockers: Shown[] }[] } } };

async function blockersOf(runId: bigint) {
  const fields = 'code scope message since until limit inUse holders { id } holderBlockRuns { blockUuid }';
  const { pipelineRun } = await api.data<Answer>(
    `query ($id: ID!) { pipelineRun(id: $id) { blockers { ${fields} } blockRuns(first: 10) { nodes { blockUuid blockers { ${fields} } } } } }`,
    { id: `run_${runId}` },
  );
  const ofBlock = Object.fromEntries(pipelineRun.blockRuns.nodes.map((node) => [node.blockUuid, node.blockers]));
  return { run: pipelineRun.blockers, ...ofBlock } as Record<string, Shown[]>;
}

test('without a scheduler an initial run says so; with one it says which limit holds it back', async () => {
  const run = await start('none');
  expect((await blockersOf(run)).run).toMatchObject([
    { code: 'SCHEDULER_DOWN', scope: 'PROJECT' },
    { code: 'LIMIT_IS_ZERO' },
  ]);
  await enterScheduler(session);
  const { run: blockers, load } = await blockersOf(run);
  expect(blockers).toMatchObject([
    {
      code: 'LIMIT_IS_ZERO',
      scope: 'PIPELINE',
      limit: 0,
      inUse: 0,
      holders: null,
      message: expect.stringContaining('none is 0'),
    },
  ]);
  expect(load).toEqual(blockers);
});

test('a limit that is used up names the runs that use it', async () => {
  const [first, second] = [await start('one'), await start('one')];
  expect((await blockersOf(second)).run).toMatchObject([
    { code: 'CONCURRENCY_LIMIT', scope: 'PIPELINE', limit: 1, inUse: 1, holders: [{ id: `run_${first}` }] },
  ]);
});

describe('workers', () => {
  test('none, then a busy one, then one with room', async () => {
    const run = await start('free');
    const before = await blockersOf(run);
    expect(before.run).toMatchObject([
      { code: 'WORKER_UNAVAILABLE', scope: 'LABEL', message: expect.stringContaining('default') },
    ]);
    expect(before.load).toMatchObject([{ code: 'WORKER_UNAVAILABLE' }]);
    expect(before.clean).toMatchObject([{ code: 'UPSTREAM_PENDING', holderBlockRuns: [{ blockUuid: 'load' }] }]);

    const worker = await registerWorker(
      api.database.pool,
      { host: 'h', pid: 1, labels: ['default'], slots: 1 },
      new Date(),
    );
    await holdWorkerLock(session, worker);
    const { claims } = await step(session, worker, 'default', 1, true, [], new Date());
    expect(claims).toHaveLength(1);
    const waiting = claims[0]!.run === Number(run) ? await start('free') : run;
    expect((await blockersOf(waiting)).load).toMatchObject([
      { code: 'WORKERS_BUSY', limit: 1, inUse: 1, holderBlockRuns: [{ blockUuid: 'load' }] },
    ]);
    // What the worker has moves, and so does its run.
    expect((await blockersOf(BigInt(claims[0]!.run))).run).toEqual([]);

    const other = await registerWorker(
      api.database.pool,
      { host: 'h', pid: 2, labels: ['default'], slots: 1 },
      new Date(),
    );
    await holdWorkerLock(session, other);
    expect((await blockersOf(waiting)).load).toEqual([]);
    await endWorker(api.database.pool, other, new Date());
    await endWorker(api.database.pool, worker, new Date());
  });

  test('one whose process is gone without a word counts for nothing', async () => {
    const run = await start('free');
    await registerWorker(api.database.pool, { host: 'h', pid: 3, labels: ['default'], slots: 9 }, new Date());
    expect((await blockersOf(run)).load).toMatchObject([{ code: 'WORKER_UNAVAILABLE' }]);
  });
});

describe('a run whose block holds no slot', () => {
  /** Starts a run of which the first block is as the store keeps it when it waits like that. */
  async function paused(columns: string, ...values: unknown[]): Promise<bigint> {
    const run = await start('free');
    await api.database.pool.query(
      `update block_run set status = 'running', started_at = now(), attempt = 1, worker_id = null, ${columns} where pipeline_run_id = $1 and block_uuid = 'load'`,
      [run, ...values],
    );
    return run;
  }

  test('SENSOR_WAITING: says when the sensor is asked again', async () => {
    const nextCall = new Date(Date.now() + 60_000);
    const run = await paused('next_attempt_at = $2, calls = 3', nextCall);
    const { run: ofRun, load } = await blockersOf(run);
    expect(ofRun).toMatchObject([
      { code: 'SENSOR_WAITING', scope: 'RUN', until: nextCall.toISOString(), holderBlockRuns: [{ blockUuid: 'load' }] },
    ]);
    expect(load).toMatchObject([{ code: 'SENSOR_WAITING' }]);
  });

  test('CHILD_RUN: names the run that it waits for', async () => {
    const child = await start('free');
    const { run: ofRun, load } = await blockersOf(await paused('child_run_id = $2', child));
    expect(ofRun).toMatchObject([
      { code: 'CHILD_RUN', scope: 'RUN', holders: [{ id: `run_${child}` }], holderBlockRuns: [{ blockUuid: 'load' }] },
    ]);
    expect(load).toMatchObject([{ code: 'CHILD_RUN', holders: [{ id: `run_${child}` }] }]);
  });

  test('CALLBACK_RUNNING: its blocks have ended and a callback has not', async () => {
    const run = await start('free');
    const { rows } = await api.database.pool.query<{ id: bigint }>(
      `update block_run set status = 'completed', completed_at = now() where pipeline_run_id = $1 returning id`,
      [run],
    );
    await api.database.pool.query(
      `update pipeline_run set blocks_initial = 0, blocks_queued = 0, blocks_completed = 2, callbacks_open = 1 where id = $1`,
      [run],
    );
    await api.database.pool.query(
      `insert into callback_run (pipeline_run_id, block_run_id, run_attempt, attempt, callback_uuid, kind, label, status, created_at, started_at)
       values ($1, $2, 1, 1, 'tell', 'success', 'default', 'running', now(), now())`,
      [run, rows[0]!.id],
    );
    expect((await blockersOf(run)).run).toMatchObject([
      { code: 'CALLBACK_RUNNING', scope: 'RUN', holderBlockRuns: [{ blockUuid: expect.any(String) }] },
    ]);
  });
});

test('a page of runs with the blockers of all their block runs takes as few statements as a page of one', async () => {
  for (let i = 0; i < 12; i++) await start(i % 2 === 0 ? 'one' : 'free');
  const statements = async (first: number) => {
    const spy = vi.spyOn(pg.Client.prototype, 'query');
    try {
      await api.data(
        `{ pipelineRuns(first: ${first}) { nodes { blockers { code holders { id } holderBlockRuns { id } } blockRuns(first: 5) { nodes { blockers { code } } } } } }`,
      );
      return spy.mock.calls.length;
    } finally {
      spy.mockRestore();
    }
  };
  await statements(12);
  expect(await statements(12)).toBeLessThanOrEqual((await statements(2)) + 2);
  expect(await statements(12)).toBeLessThanOrEqual(24);
});

test('a query for the holders of a hundred runs, and theirs, is refused before anything is read', () => {
  const refusalsOf = (inside: string) => {
    const document = parse(`{ pipelineRuns(first: 100) { nodes { id blockers { code message ${inside} } } } }`);
    return documentLimits.check({ schema: createSchema(), document, variables: {}, introspectionIsFree: true });
  };
  expect(refusalsOf('')).toEqual([]);
  expect(refusalsOf('holders { id blockers { holders { id } } }')).toMatchObject([
    { extensions: { code: 'TOO_EXPENSIVE' } },
  ]);
});
