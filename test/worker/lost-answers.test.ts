import type { Socket } from 'node:net';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Database } from '../../src/store/database.ts';
import type { AttemptOutcome, Executor } from '../../src/worker/executor.ts';
import { startWorker, type Worker } from '../../src/worker/worker.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { until } from '../support/waiting.ts';

// Postgres commits, and the connection breaks before its answer arrives: what was done is done, and nobody here knows.

let engine: TestEngine;
let worker: Worker | null = null;
let started: string[] = [];
const errors: string[] = [];
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());
afterEach(async () => {
  await worker?.stop({ drainMs: 0, graceMs: 0 });
  worker = null;
  started = [];
  errors.length = 0;
});

const completed: AttemptOutcome = { status: 'completed', outputs: [], tests: [], cpuTimeMs: 1, maxRssBytes: 1 };
const executor: Executor = {
  run: ({ blockUuid, parent }) => {
    started.push(parent ? 'callback' : blockUuid);
    return { outcome: Promise.resolve(completed), pid: Promise.resolve(1), stop: () => {} };
  },
  warm: async () => {},
  stop: async () => {},
};

async function work(database: Database): Promise<void> {
  worker = await startWorker({
    context: { ...engine.context, database },
    executorOf: () => executor,
    projectDir: '/nowhere',
    outputsRoot: '/nowhere',
    slots: 1,
    label: 'default',
    host: 'test',
    pid: process.pid,
    graceMs: 0,
    onError: (what, error) => errors.push(`${what}: ${error}`),
  });
}

/** The worker's connection breaks once, when Postgres has answered a step with claims, and nobody gets to see the answer. */
function losingOneClaim(database: Database): Database {
  let isArmed = true;
  return {
    ...database,
    async connect(name) {
      const client = await database.connect(name);
      const query = client.query.bind(client) as (...given: unknown[]) => unknown;
      const watched = async (config: pg.QueryConfig, ...rest: unknown[]) => {
        const result = (await query(config, ...rest)) as pg.QueryResult<{ step: { run?: number } }>;
        // Worker 0 is nobody: the rehearsal.
        const isStep = config.name === 'step' && config.values?.[0] !== 0n;
        if (!isArmed || !isStep || !result.rows.some((row) => row.step.run)) return result;
        isArmed = false;
        (client.connection.stream as Socket).destroy();
        throw new Error('the answer was lost');
      };
      if (name === 'worker') client.query = watched as unknown as typeof client.query;
      return client;
    },
  };
}

test('a claim whose answer was lost is given back by its own worker, and runs once', async () => {
  await engine.pipeline('lost_claim', [[], [0]]);
  const run = await engine.start('lost_claim');
  await work(losingOneClaim(engine.database));
  await until('the run ends', async () => (await engine.runRow(run)).status === 'completed');
  expect(errors).toEqual(['could not report to the queue: Error: the answer was lost']);
  expect(started).toEqual(['b1', 'b2']);
  const { rows } = await engine.database.pool.query(
    `select b.block_uuid, a.number, a.status, a.reason_code from block_attempt a join block_run b on b.id = a.block_run_id
      where a.pipeline_run_id = $1 order by b.position, a.number`,
    [run],
  );
  expect(rows).toEqual([
    { block_uuid: 'b1', number: 1, status: 'cancelled', reason_code: 'SHUTDOWN' },
    { block_uuid: 'b1', number: 2, status: 'completed', reason_code: 'SUCCEEDED' },
    { block_uuid: 'b2', number: 1, status: 'completed', reason_code: 'SUCCEEDED' },
  ]);
  await expectInvariants(engine.database, run);
});

/** Makes each of the pipeline's blocks tell a callback how it ended. */
async function addCallback(pipelineUuid: string): Promise<void> {
  await engine.database.pool.query(
    `update pipeline_version v
        set definition = jsonb_set(jsonb_set(v.definition, '{callbacks}', jsonb_build_array(v.definition #> '{blocks,0}' || '{"uuid": "tell", "type": "callback"}')),
                                   '{blocks,0,callbacks}', '["tell"]')
      where pipeline_uuid = $1`,
    [pipelineUuid],
  );
}

test.each([
  ['before it was stored', false],
  ['after it was stored', true],
])('a callback whose report was lost %s is reported again, and runs once', async (_when, isStored) => {
  const uuid = `told_${isStored}`;
  await engine.pipeline(uuid, [[]]);
  await addCallback(uuid);
  const run = await engine.start(uuid);
  let losses = 0;
  await work({
    ...engine.database,
    async transaction(doIt) {
      const isReport = started.includes('callback') && losses < 2;
      if (!isReport || isStored) {
        const result = await engine.database.transaction(doIt);
        if (!isReport) return result;
      }
      losses++;
      throw new Error('the connection broke');
    },
  });
  await until('the run ends', async () => {
    // As a scheduler does: a report that was stored and looked lost left the end to it.
    await settleRuns(engine.context);
    return (await engine.runRow(run)).status === 'completed';
  });
  expect(errors).toEqual(['could not report a callback yet: Error: the connection broke']);
  expect(started).toEqual(['b1', 'callback']);
  expect(await engine.runRow(run)).toMatchObject({ callbacks_open: 0 });
  await expectInvariants(engine.database, run);
});
