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

type Wire = { readonly bind: (message: { readonly values: readonly string[] }) => void };

/** A statement of ours (store/hot-statement.ts), as pg sees it. */
type Statement = {
  readonly name: string;
  readonly text: string;
  readonly submit: (wire: Wire) => void;
  readonly handleDataRow: (row: { readonly fields: readonly string[] }) => void;
  readonly handleReadyForQuery: () => void;
  readonly handleError: (error: Error) => void;
};

/** The worker's connection breaks once, when Postgres has committed a step with such a claim, and nobody gets to know that it has. */
function losingOneClaim(database: Database, pattern: RegExp): Database {
  let isArmed = true;
  async function connect(name: string): Promise<pg.Client> {
    const client = await database.connect(name);
    const query = client.query.bind(client) as (...given: unknown[]) => unknown;
    const watched = (given: Statement, ...rest: unknown[]) => {
      if (given.name !== 'step') return query(given, ...rest);
      let isRehearsal = false;
      let isClaim = false;
      return query({
        name: given.name,
        text: given.text,
        submit(wire: Wire) {
          const bind: Wire['bind'] = (message) => {
            // Worker 0 is nobody.
            isRehearsal = message.values[0] === '0';
            wire.bind(message);
          };
          given.submit(Object.assign(Object.create(wire), { bind }));
        },
        handleDataRow(row: { readonly fields: readonly string[] }) {
          isClaim ||= pattern.test(row.fields[0]!);
          given.handleDataRow(row);
        },
        handleCommandComplete() {},
        handleReadyForQuery() {
          if (!isArmed || isRehearsal || !isClaim) return given.handleReadyForQuery();
          isArmed = false;
          (client.connection.stream as Socket).destroy();
          given.handleError(new Error('the answer was lost'));
        },
        handleError: (error: Error) => given.handleError(error),
      });
    };
    if (name === 'worker') client.query = watched as unknown as typeof client.query;
    return client;
  }
  return { ...database, connect };
}

test.each([
  { from: 'the queue', pattern: /"fences" :/, lost: 'b1' },
  { from: 'a finish', pattern: /"fence" :/, lost: 'b2' },
])('a claim from $from whose answer was lost is given back by its own worker, and runs once', async (given) => {
  const uuid = `lost_${given.lost}`;
  await engine.pipeline(uuid, [[], [0]]);
  const run = await engine.start(uuid);
  await work(losingOneClaim(engine.database, given.pattern));
  await until('the run ends', async () => (await engine.runRow(run)).status === 'completed');
  expect(errors).toEqual(['could not report to the queue: Error: the answer was lost']);
  expect(started).toEqual(['b1', 'b2']);
  const { rows } = await engine.database.pool.query(
    `select b.block_uuid, a.number, a.status, a.reason_code from block_attempt a join block_run b on b.id = a.block_run_id
      where a.pipeline_run_id = $1 order by b.position, a.number`,
    [run],
  );
  const expected = ['b1', 'b2'].flatMap((block_uuid) => {
    const completed = { block_uuid, number: 1, status: 'completed', reason_code: 'SUCCEEDED' };
    if (block_uuid !== given.lost) return [completed];
    return [
      { ...completed, status: 'cancelled', reason_code: 'SHUTDOWN' },
      { ...completed, number: 2 },
    ];
  });
  expect(rows).toEqual(expected);
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
