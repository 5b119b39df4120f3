import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { AttemptOutcome, AttemptTask, Executor } from '../../src/worker/executor.ts';
import { startWorker, type Worker } from '../../src/worker/worker.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { until } from '../support/waiting.ts';

/**
 * While Postgres writes a commit to disk, a worker makes the next block of a chain ready. These tests stretch that moment: a deferred
 * trigger holds up, or breaks, the commit of the step that completes b1, after its answer was sent.
 */
const chain = [[], [0], [1]] as const;
const lock = 4711;
const completed: AttemptOutcome = { status: 'completed', outputs: [], tests: [], cpuTimeMs: 1, maxRssBytes: 1 };
const stopped: AttemptOutcome = { ...completed, status: 'stopped' };

let engine: TestEngine;
let worker: Worker | null = null;
let heard: string[] = [];
const errors: unknown[] = [];

/** Says what becomes of each attempt. One that has to wait for its go may be stopped before it. */
const executor: Executor = {
  holds: true,
  run: ({ blockUuid, fence }: AttemptTask, _sink, _answer, go) => {
    const name = `${blockUuid}/${fence}`;
    heard.push(`ready ${name}`);
    const outcome = (async () => {
      if (go && !(await go)) {
        heard.push(`dropped ${name}`);
        return stopped;
      }
      heard.push(`runs ${name}`);
      return completed;
    })();
    return { outcome, pid: Promise.resolve(1), stop: () => heard.push(`stopped ${name}`) };
  },
  warm: async () => {},
  stop: async () => {},
};

beforeAll(async () => {
  engine = await createTestEngine();
  await engine.pipeline('chain', chain);
  await engine.database.pool.query(`
    create sequence commits_of_b1;
    create function hold_commit() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(${lock});
      return null;
    end $$;
    create function break_first_commit() returns trigger language plpgsql as $$
    begin
      if nextval('commits_of_b1') = 1 then raise exception 'the disk is full' using errcode = '53100'; end if;
      return null;
    end $$`);
});
afterAll(() => engine.close());

beforeEach(async () => {
  heard = [];
  await engine.database.pool.query('alter sequence commits_of_b1 restart');
  errors.length = 0;
});
afterEach(async () => {
  await worker?.stop({ drainMs: 0, graceMs: 0 });
  worker = null;
  await engine.database.pool.query('drop trigger if exists at_commit on run_event');
});

/** From now on `what` happens when it is committed that b1 runs, or has completed. */
async function atCommit(
  what: 'hold_commit' | 'break_first_commit',
  of: 'running' | 'completed' = 'completed',
): Promise<void> {
  await engine.database.pool.query(`
    create constraint trigger at_commit after insert on run_event deferrable initially deferred for each row
      when (new.block_uuid = 'b1' and new.to_status = '${of}') execute function ${what}()`);
}

async function work(): Promise<Worker> {
  worker = await startWorker({
    context: engine.context,
    executorOf: () => executor,
    projectDir: '/nowhere',
    outputsRoot: '/nowhere',
    slots: 2,
    label: 'default',
    host: 'test',
    pid: process.pid,
    graceMs: 0,
    onError: (_, error) => errors.push(error),
  });
  return worker;
}

const hasEnded = (run: bigint) => async () => (await engine.runRow(run)).status === 'completed';

test('the next block of a chain is ready before its claim is committed, runs after, and is not taken for lost between', async () => {
  await atCommit('hold_commit');
  const holder = await engine.database.connect('holder');
  await holder.query('select pg_advisory_lock($1)', [lock]);
  const run = await engine.start('chain');
  const here = await work();
  await until('b2 is ready', async () => heard.includes('ready b2/1'));
  expect(heard).toEqual(['ready b1/1', 'runs b1/1', 'ready b2/1']);
  // Nobody else knows of it, so whoever asks what is still this worker's must leave it out.
  expect(await engine.statuses(run)).toEqual(['running', 'initial', 'initial']);
  await here.wakeStop();
  await holder.end();
  await until('the run ends', hasEnded(run));
  expect(heard).toEqual(['ready b1/1', 'runs b1/1', 'ready b2/1', 'runs b2/1', 'ready b3/1', 'runs b3/1']);
  await expectInvariants(engine.database, run);
  expect(errors).toEqual([]);
});

test('so it is with what is claimed from the queue, when it is claimed alone', async () => {
  await atCommit('break_first_commit', 'running');
  const run = await engine.start('chain');
  await work();
  await until('the run ends', hasEnded(run));
  expect(heard.slice(0, 4)).toEqual(['ready b1/1', 'dropped b1/1', 'ready b1/1', 'runs b1/1']);
  expect(heard.filter((line) => line.startsWith('runs'))).toEqual(['runs b1/1', 'runs b2/1', 'runs b3/1']);
  await expectInvariants(engine.database, run);
});

test('when the commit fails, what was ready is dropped unrun, and each block runs once', async () => {
  await atCommit('break_first_commit');
  const run = await engine.start('chain');
  await work();
  await until('the run ends', hasEnded(run));
  expect(heard.filter((line) => line.startsWith('runs'))).toEqual(['runs b1/1', 'runs b2/1', 'runs b3/1']);
  expect(heard).toContain('dropped b2/1');
  expect(errors).toHaveLength(1);
  const attempts = await engine.database.pool.query('select status from block_attempt where pipeline_run_id = $1', [
    run,
  ]);
  expect(attempts.rows).toEqual([{ status: 'completed' }, { status: 'completed' }, { status: 'completed' }]);
  await expectInvariants(engine.database, run);
});
