import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import type { Claim } from '../../src/store/step.ts';
import type { AttemptOutcome, Executor } from '../../src/worker/executor.ts';
import { openSlots } from '../../src/worker/slots.ts';
import { startWorker, type Worker } from '../../src/worker/worker.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { until } from '../support/waiting.ts';

describe('the slots of a worker', () => {
  let ms: number;
  let idling: number;
  const open = () => openSlots({ count: 2, idling: () => idling, monotonicMs: () => ms });
  const claim = (id: number) => ({ id }) as Claim;

  beforeEach(() => {
    ms = 1000;
    idling = 0;
  });

  /** `count` attempts, one after the other, that take so long each. */
  function run(slots: ReturnType<typeof open>, count: number, takeMs: number): void {
    for (let n = 0; n < count; n++) {
      const each = claim(1000 + n);
      expect(slots.enter(each)).toBe(null);
      ms += takeMs;
      slots.leave(each);
    }
  }

  test('make room for as many claims as are free, as long as nothing has ended', () => {
    const slots = open();
    expect(slots.room()).toBe(2);
    slots.enter(claim(1));
    expect(slots.room()).toBe(1);
    slots.enter(claim(2));
    expect(slots.room()).toBe(0);
  });

  test.each([
    { takeMs: 0.1, room: 8 },
    { takeMs: 1, room: 8 },
    { takeMs: 2, room: 5 },
    { takeMs: 5, room: 3 },
    { takeMs: 7, room: 2 },
    { takeMs: 1000, room: 2 },
  ])('when an attempt ends every $takeMs ms, make room for $room claims', ({ takeMs, room }) => {
    const slots = open();
    run(slots, 20, takeMs);
    expect(slots.room()).toBe(room);
  });

  test('make no room ahead any more when nothing has ended for a while', () => {
    const slots = open();
    run(slots, 20, 0.1);
    ms += 100;
    expect(slots.room()).toBe(2);
  });

  test('are taken in order by those who wait', async () => {
    const slots = open();
    run(slots, 20, 0.1);
    const [one, two, three, four] = [1, 2, 3, 4].map(claim) as [Claim, Claim, Claim, Claim];
    expect([slots.enter(one), slots.enter(two)]).toEqual([null, null]);
    const waits = [slots.enter(three), slots.enter(four)];
    expect(slots.room()).toBe(4);
    const heard: string[] = [];
    waits.forEach((wait, index) => {
      wait?.then((hasSlot) => heard.push(`${index} ${hasSlot}`));
    });
    slots.leave(two);
    await waits[0];
    expect(heard).toEqual(['0 true']);
    // One that waits for a run of its own needs no slot meanwhile.
    idling = 1;
    slots.offer();
    expect(await waits[1]).toBe(true);
  });

  test('do not wait for one that left before it had a slot', async () => {
    const slots = open();
    const all = [1, 2, 3, 4].map(claim) as [Claim, Claim, Claim, Claim];
    const waits = all.map((each) => slots.enter(each));
    slots.leave(all[2]);
    expect(await waits[2]).toBe(false);
    slots.leave(all[0]);
    expect(await waits[3]).toBe(true);
  });

  test('are not waited for longer than a moment', async () => {
    const slots = open();
    const waits = [1, 2, 3].map((id) => slots.enter(claim(id)));
    ms += 200;
    const last = slots.enter(claim(4));
    expect(await waits[2]).toBe(false);
    ms += 200;
    expect(await last).toBe(false);
  });
});

describe('a worker whose blocks are quick', () => {
  const completed: AttemptOutcome = { status: 'completed', outputs: [], tests: [], cpuTimeMs: 1, maxRssBytes: 1 };
  const slots = 2;
  let engine: TestEngine;
  let workers: Worker[];
  /** The clock by which a worker sees how quick its blocks are; it stands still, so they are as quick as can be. */
  let ms: number;
  let runs: string[];
  let atOnce: number;
  let mostAtOnce: number;
  let mostHeld: number;
  /** Blocks that do not end before they are let, by their number. */
  let slowFrom: number;
  let letGo: PromiseWithResolvers<void>;

  const executor: Executor = {
    holds: false,
    run: ({ blockUuid }) => {
      const stopped = Promise.withResolvers<AttemptOutcome>();
      const work = async (): Promise<AttemptOutcome> => {
        runs.push(blockUuid);
        atOnce++;
        mostAtOnce = Math.max(mostAtOnce, atOnce);
        mostHeld = Math.max(mostHeld, ...workers.map((worker) => worker.busy()));
        await nextTurn();
        const end = letGo.promise.then(() => completed);
        const outcome = Number(blockUuid.slice(1)) < slowFrom ? completed : await Promise.race([end, stopped.promise]);
        atOnce--;
        return outcome;
      };
      return {
        outcome: work(),
        pid: Promise.resolve(1),
        stop: () => stopped.resolve({ ...completed, status: 'stopped' }),
      };
    },
    warm: async () => {},
    stop: async () => {},
  };

  beforeAll(async () => {
    engine = await createTestEngine();
    await engine.pipeline(
      'fan',
      Array.from({ length: 60 }, () => []),
    );
  });
  afterAll(() => engine.close());
  beforeEach(() => {
    workers = [];
    ms = 0;
    runs = [];
    atOnce = mostAtOnce = mostHeld = 0;
    slowFrom = 1000;
    letGo = Promise.withResolvers();
  });
  afterEach(async () => {
    for (const worker of workers) await worker.stop({ drainMs: 0, graceMs: 0 });
  });

  async function work(): Promise<Worker> {
    const worker = await startWorker({
      context: engine.context,
      executorOf: () => executor,
      projectDir: '/nowhere',
      outputsRoot: '/nowhere',
      slots,
      label: 'default',
      host: 'test',
      pid: process.pid,
      graceMs: 0,
      onError: (what, error) => {
        throw new Error(what, { cause: error });
      },
      monotonicMs: () => ms,
    });
    workers.push(worker);
    return worker;
  }

  const hasEnded = (run: bigint) => async () => (await engine.runRow(run)).status === 'completed';
  const counts = async (run: bigint) => Object.groupBy(await engine.statuses(run), (status) => status);

  test('claims some ahead, and never runs more than it has slots for', async () => {
    const run = await engine.start('fan');
    await work();
    await until('the run ends', hasEnded(run));
    expect(mostAtOnce).toBe(slots);
    expect(mostHeld).toBeGreaterThan(slots);
    expect(mostHeld).toBeLessThanOrEqual(4 * slots);
    expect(runs.toSorted()).toEqual(Array.from({ length: 60 }, (_, place) => `b${place + 1}`).toSorted());
    await expectInvariants(engine.database, run);
  });

  test('gives back what it claimed ahead when its blocks are quick no longer, and nothing runs twice', async () => {
    slowFrom = 31;
    const run = await engine.start('fan');
    await work();
    await until('more are claimed than run', async () => atOnce === slots && workers[0]?.busy() === 4 * slots);
    expect((await counts(run)).running).toHaveLength(4 * slots);
    engine.woken();
    ms = 1000;
    await until('those are given back', async () => (await counts(run)).running?.length === slots);
    const { rows } = await engine.database.pool.query(
      `select status, reason_code, reason_message from block_attempt where pipeline_run_id = $1 and status <> 'completed'`,
      [run],
    );
    expect(rows).toHaveLength(3 * slots);
    // This worker hears of it too, and looks for them again when it has a slot.
    await until('others are told', () => engine.woken().has('ready'));
    expect(rows[0]).toEqual({
      status: 'cancelled',
      reason_code: 'OTHER',
      reason_message: 'Its worker had no slot for it after all and gave it back; it runs again.',
    });
    letGo.resolve();
    await until('the run ends', hasEnded(run));
    expect(new Set(runs).size).toBe(runs.length);
    expect(mostAtOnce).toBe(slots);
    await expectInvariants(engine.database, run);
  });

  test('asks no more sensors again at once than it has slots, and gives back those that it can not ask as they were', async () => {
    slowFrom = 31;
    const run = await engine.start('fan');
    // As they stand between two calls: running, without a worker, and in the queue.
    await engine.database.pool.query(
      `update block_run set status = 'running', calls = 1, attempt = 1, started_at = now(), next_attempt_at = now() where pipeline_run_id = $1`,
      [run],
    );
    await engine.database.pool.query(
      'update pipeline_run set blocks_running = blocks_queued, blocks_queued = 0 where id = $1',
      [run],
    );
    const worker = await work();
    await until('more are claimed than asked', () => atOnce === slots && worker.busy() === 4 * slots);
    ms = 1000;
    await until('those are given back', () => worker.busy() === slots);
    await until('they wait again', async () => {
      const { rows } = await engine.database.pool.query(
        `select id from block_run where pipeline_run_id = $1 and status = 'running' and worker_id is null and calls = 1 and attempt = 1`,
        [run],
      );
      return rows.length === 30 - slots;
    });
    letGo.resolve();
    await until('the run ends', hasEnded(run));
    expect(new Set(runs).size).toBe(runs.length);
    expect(mostAtOnce).toBe(slots);
  });

  test('does not begin what is cancelled while it waits for a slot', async () => {
    slowFrom = 31;
    const run = await engine.start('fan');
    const worker = await work();
    await until('more are claimed than run', async () => atOnce === slots && worker.busy() === 4 * slots);
    const begun = runs.length;
    await cancelPipelineRun(engine.context, { runId: run, actor: 'ada', reason: null });
    await worker.wakeStop();
    await until('the run ends', async () => (await engine.runRow(run)).status === 'cancelled');
    expect(runs).toHaveLength(begun);
    await expectInvariants(engine.database, run);
  });
});
