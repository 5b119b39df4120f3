import { describe, expect, test } from 'vitest';
import {
  type BlockRunFacts,
  blockersOfBlockRun,
  blockersOfRun,
  type RunFacts,
  type WorldFacts,
} from '../../src/domain/blockers.ts';

const at = (second: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, second));
const world: WorldFacts = {
  now: at(30),
  isSchedulerAlive: true,
  labels: new Map([['default', { workers: 1, slots: 2, inUse: 1, holders: [] }]]),
};
const busy: WorldFacts = {
  ...world,
  labels: new Map([['default', { workers: 1, slots: 2, inUse: 2, holders: [91n, 92n] }]]),
};
const nobody: WorldFacts = { ...world, labels: new Map() };
const noScheduler: WorldFacts = { ...world, isSchedulerAlive: false };

const run = (given: Partial<RunFacts> = {}): RunFacts => ({
  id: 1n,
  status: 'running',
  endingStatus: null,
  pipelineUuid: 'sales',
  triggerId: null,
  triggerName: null,
  askedAt: at(0),
  startedAt: at(1),
  stoppingSince: null,
  blocksInitial: 0,
  blockRunLimit: null,
  needsSettling: false,
  callbacksOpen: 0,
  groupLimit: null,
  allTriggersLimit: null,
  blocks: [],
  callbacks: [],
  ...given,
});
const initial = (given: Partial<RunFacts> = {}) =>
  run({ status: 'initial', startedAt: null, blocksInitial: 2, ...given });
const block = (given: Partial<BlockRunFacts> = {}): BlockRunFacts => ({
  id: 11n,
  blockUuid: 'load',
  status: 'queued',
  label: 'default',
  isHeld: false,
  stopRequested: false,
  nextAttemptAt: null,
  childRunId: null,
  createdAt: at(0),
  queuedAt: at(2),
  startedAt: null,
  ...given,
});
const working = block({ status: 'running', isHeld: true, startedAt: at(3) });
const codes = (blockers: readonly { readonly code: string }[]) => blockers.map((each) => each.code);

describe('a run that waits to start', () => {
  test('names the limit of its trigger, its use, and the runs that use it up', () => {
    const groupLimit = { limit: 1, inUse: 1, holders: [7n], isTriggersOwn: true };
    expect(blockersOfRun(initial({ triggerId: 5n, triggerName: 'daily', groupLimit }), world)).toEqual([
      {
        code: 'CONCURRENCY_LIMIT',
        scope: 'trigger',
        message:
          '1 run of the trigger daily is running, and pipeline_run_limit of the trigger daily allows 1. It starts when there is room; raise the limit to run more at once.',
        since: at(0),
        until: null,
        limit: 1,
        inUse: 1,
        holders: [7n],
        holderBlockRuns: [],
      },
    ]);
  });

  test('names both limits that have no room, and one that is 0 first', () => {
    const groupLimit = { limit: 2, inUse: 2, holders: [7n, 8n], isTriggersOwn: false };
    const allTriggersLimit = { limit: 0, inUse: 2, holders: [7n, 8n] };
    expect(blockersOfRun(initial({ groupLimit, allTriggersLimit }), world)).toMatchObject([
      {
        code: 'LIMIT_IS_ZERO',
        scope: 'pipeline',
        limit: 0,
        message: expect.stringContaining('Raise it, or remove it'),
      },
      { code: 'CONCURRENCY_LIMIT', scope: 'pipeline', limit: 2, inUse: 2 },
    ]);
  });

  test('with room it moves; without a scheduler it says so before anything else', () => {
    const groupLimit = { limit: 1, inUse: 0, holders: [], isTriggersOwn: false };
    expect(blockersOfRun(initial({ groupLimit }), world)).toEqual([]);
    const full = { ...groupLimit, inUse: 1 };
    expect(codes(blockersOfRun(initial({ groupLimit: full }), noScheduler))).toEqual([
      'SCHEDULER_DOWN',
      'CONCURRENCY_LIMIT',
    ]);
  });

  test('its block runs wait for what it waits for', () => {
    const waiting = initial({ allTriggersLimit: { limit: 0, inUse: 0, holders: [] } });
    const first = block({ status: 'initial' });
    expect(blockersOfBlockRun(first, [], waiting, world)).toEqual(blockersOfRun(waiting, world));
  });
});

describe('a block run', () => {
  const of = (facts: BlockRunFacts, where = world, inRun = run({ blocks: [facts] })) =>
    blockersOfBlockRun(facts, [], inRun, where);

  test('that is queued moves while a slot is free', () => {
    expect(of(block())).toEqual([]);
  });

  test('says that no worker of its label lives, and how to start one', () => {
    expect(of(block({ label: 'gpu' }))).toMatchObject([
      { code: 'WORKER_UNAVAILABLE', scope: 'label', since: at(2), message: expect.stringContaining('--label gpu') },
    ]);
  });

  test('says that all slots are taken, and by what', () => {
    expect(of(block(), busy)).toMatchObject([
      { code: 'WORKERS_BUSY', scope: 'label', limit: 2, inUse: 2, holderBlockRuns: [91n, 92n] },
    ]);
  });

  test('that is tried again later says when, whatever the workers do', () => {
    expect(of(block({ nextAttemptAt: at(40) }), nobody)).toMatchObject([{ code: 'RETRY_BACKOFF', until: at(40) }]);
    // Once it is due, it waits for a worker like any other.
    expect(codes(of(block({ nextAttemptAt: at(30) }), nobody))).toEqual(['WORKER_UNAVAILABLE']);
  });

  test('of a sensor says when it is asked again; of a parent, which run it waits for', () => {
    const between = { status: 'running', startedAt: at(3) } as const;
    expect(of(block({ ...between, nextAttemptAt: at(60) }))).toMatchObject([{ code: 'SENSOR_WAITING', until: at(60) }]);
    expect(of(block({ ...between, childRunId: 77n }))).toMatchObject([{ code: 'CHILD_RUN', holders: [77n] }]);
    expect(codes(of(block({ ...between, nextAttemptAt: at(20) }), busy))).toEqual(['WORKERS_BUSY']);
  });

  test('that runs moves, until it is told to stop', () => {
    expect(of(working)).toEqual([]);
    expect(codes(of({ ...working, stopRequested: true }))).toEqual(['STOPPING']);
  });

  test('names the upstreams that have not ended', () => {
    const pending = [
      { id: 21n, blockUuid: 'load' },
      { id: 22n, blockUuid: 'clean' },
    ];
    expect(blockersOfBlockRun(block({ status: 'initial' }), pending, run(), world)).toMatchObject([
      { code: 'UPSTREAM_PENDING', message: 'It waits for load, clean to end.', holderBlockRuns: [21n, 22n] },
    ]);
  });

  test('waits for its run’s block_run_limit; waiting retries and sensors do not count', () => {
    const blocks = [
      { ...working, id: 31n },
      block({ id: 32n }),
      block({ id: 33n, nextAttemptAt: at(50) }),
      block({ id: 34n, status: 'running', nextAttemptAt: at(50) }),
    ];
    const waiting = block({ status: 'initial' });
    expect(blockersOfBlockRun(waiting, [], run({ blocks, blockRunLimit: 2 }), world)).toMatchObject([
      { code: 'CONCURRENCY_LIMIT', scope: 'run', limit: 2, inUse: 2, holderBlockRuns: [31n, 32n] },
    ]);
    expect(blockersOfBlockRun(waiting, [], run({ blocks, blockRunLimit: 3 }), world)).toEqual([]);
  });

  test('that comes back, as a retry or a sensor, waits for a place too when its time has come', () => {
    const due = block({ id: 12n, nextAttemptAt: at(20) });
    const dueSensor = block({ id: 13n, status: 'running', startedAt: at(3), nextAttemptAt: at(20) });
    const queued = block({ id: 14n });
    const full = run({ blocks: [queued, due, dueSensor], blockRunLimit: 1 });
    for (const each of [due, dueSensor]) {
      expect(blockersOfBlockRun(each, [], full, world)).toMatchObject([
        { code: 'CONCURRENCY_LIMIT', limit: 1, inUse: 1, holderBlockRuns: [14n] },
      ]);
      expect(codes(blockersOfBlockRun(each, [], { ...full, blockRunLimit: 2 }, busy))).toEqual(['WORKERS_BUSY']);
    }
    // The run waits for what its block that has the place waits for.
    expect(codes(blockersOfRun(full, busy))).toEqual(['WORKERS_BUSY']);
  });
});

describe('a run that has started', () => {
  test('has no blocker while one of its block runs is at work, whatever the others wait for', () => {
    expect(blockersOfRun(run({ blocks: [working, block({ label: 'gpu' })] }), world)).toEqual([]);
  });

  test('says what its block runs wait for: equal reasons once, what binds most first', () => {
    const blocks = [
      block({ id: 41n, nextAttemptAt: at(50) }),
      block({ id: 42n, nextAttemptAt: at(40) }),
      block({ id: 43n, label: 'gpu' }),
    ];
    expect(blockersOfRun(run({ blocks }), world)).toMatchObject([
      { code: 'WORKER_UNAVAILABLE' },
      { code: 'RETRY_BACKOFF', until: at(40), holderBlockRuns: [41n, 42n] },
    ]);
  });

  test('that is ending says which block runs still have a process', () => {
    const blocks = [
      { ...working, stopRequested: true },
      { ...working, id: 12n },
    ];
    expect(blockersOfRun(run({ blocks, endingStatus: 'cancelled', stoppingSince: at(9) }), world)).toMatchObject([
      {
        code: 'STOPPING',
        since: at(9),
        holderBlockRuns: [11n],
        message: expect.stringContaining('It will be cancelled.'),
      },
    ]);
  });

  test('waits for its callbacks once all its blocks have ended, and for a worker that takes them', () => {
    const callbacks = [{ blockRunId: 11n, label: 'default', isRunning: false, since: at(20) }];
    const after = run({ callbacksOpen: 1, callbacks });
    expect(blockersOfRun(after, world)).toMatchObject([
      { code: 'CALLBACK_RUNNING', holderBlockRuns: [11n], since: at(20) },
    ]);
    expect(codes(blockersOfRun(after, nobody))).toEqual(['CALLBACK_RUNNING', 'WORKER_UNAVAILABLE']);
    expect(blockersOfRun({ ...after, blocks: [working] }, world)).toEqual([]);
  });

  test('with a block_run_limit of 0 says so: none of its blocks starts', () => {
    expect(blockersOfRun(run({ blocksInitial: 2, blockRunLimit: 0 }), world)).toMatchObject([
      { code: 'LIMIT_IS_ZERO', scope: 'run', limit: 0, inUse: 0 },
    ]);
  });

  test('that waits for a decision needs a scheduler', () => {
    expect(blockersOfRun(run({ needsSettling: true }), world)).toEqual([]);
    expect(codes(blockersOfRun(run({ needsSettling: true }), noScheduler))).toEqual(['SCHEDULER_DOWN']);
  });

  test('that has ended waits for nothing', () => {
    expect(blockersOfRun(run({ status: 'failed', blocks: [block({ label: 'gpu' })] }), world)).toEqual([]);
  });
});
