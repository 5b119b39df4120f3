import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createWake, type RunningWake } from '../../src/events/wake.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let testDatabase: TestDatabase;
let database: Database;
const running: RunningWake[] = [];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase(testDatabase.connection);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((wake) => wake.stop()));
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

/** Stands for a process. */
async function start(doorbell: boolean, onProblem?: (error: unknown) => void): Promise<RunningWake> {
  const wake = await createWake({ database, doorbell, ...(onProblem && { onProblem }) });
  running.push(wake);
  return wake;
}

/** A promise for the next call, to be awaited; and how often it was called. */
function bell(): { readonly listener: () => void; readonly rung: Promise<void>; readonly count: () => number } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const listener = () => {
    count++;
    resolve();
  };
  return { listener, rung: promise, count: () => count };
}

describe('within a process', () => {
  test('a wake-up comes to those who wait for its topic, once for all that is said in one turn', async () => {
    const { wake, on } = await start(false);
    const [events, ready] = [bell(), bell()];
    on('events', events.listener);
    on('ready', ready.listener);
    wake('events');
    wake('events', 'settle');
    expect(events.count()).toBe(0);
    await events.rung;
    expect([events.count(), ready.count()]).toEqual([1, 0]);
  });

  test('who left is not woken', async () => {
    const { wake, on } = await start(false);
    const [gone, there] = [bell(), bell()];
    on('events', gone.listener)();
    on('events', there.listener);
    wake('events');
    await there.rung;
    expect(gone.count()).toBe(0);
  });

  test('a listener that fails keeps nobody else from waking', async () => {
    const problems: unknown[] = [];
    const { wake, on } = await start(false, (error) => problems.push(error));
    const other = bell();
    on('events', () => {
      throw new Error('I fell out of bed.');
    });
    on('events', other.listener);
    wake('events');
    await other.rung;
    expect(problems).toHaveLength(1);
  });
});

describe('between processes', () => {
  test('the bell wakes the others, on its topics, and not oneself a second time', async () => {
    const [one, two] = [await start(true), await start(true)];
    const [own, others, otherTopic] = [bell(), bell(), bell()];
    one.on('ready', own.listener);
    two.on('ready', others.listener);
    two.on('stop', otherTopic.listener);
    one.wake('ready');
    await others.rung;
    // What comes back to oneself comes no later than an answer on the same connection would: ring back and wait for that.
    const back = bell();
    one.on('back', back.listener);
    two.wake('back');
    await back.rung;
    expect([own.count(), otherTopic.count()]).toEqual([1, 0]);
  });

  test('a thousand wake-ups are a few rings', async () => {
    const heard: string[] = [];
    const ear = new pg.Client(testDatabase.connection);
    ear.on('notification', ({ payload }) => heard.push(payload?.split(' ')[1] ?? ''));
    await ear.connect();
    await ear.query('listen penstock_wake');
    const [one, two] = [await start(true), await start(true)];
    const last = bell();
    two.on('last', last.listener);
    const startedAt = performance.now();
    for (let n = 0; n < 1000; n++) {
      one.wake('events');
      await null;
    }
    one.wake('last');
    await last.rung;
    await ear.query('select 1');
    const most = 2 + Math.ceil((performance.now() - startedAt) / 20);
    expect(heard.length).toBeLessThanOrEqual(most);
    expect(heard[0]).toBe('events');
    await ear.end();
  });

  test('a bell that lost its connection comes back, and wakes everybody for what it may have missed', async () => {
    const problems: unknown[] = [];
    const { on } = await start(true, (error) => problems.push(error));
    const other = await start(true);
    const woken = bell();
    on('events', woken.listener);
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-doorbell' and datname = current_database()`,
    );
    await woken.rung;
    expect(problems.length).toBeGreaterThan(0);
    const again = bell();
    on('ready', again.listener);
    // The other one is back no later than it can be heard.
    const ringing = setInterval(() => other.wake('ready'), 20);
    await again.rung;
    clearInterval(ringing);
  });

  test('what strangers send wakes at most for nothing', async () => {
    const { on } = await start(true);
    const [stop, last] = [bell(), bell()];
    on('stop', stop.listener);
    on('last', last.listener);
    await database.pool.query(`select pg_notify('penstock_wake', ''), pg_notify('penstock_wake', 'x __proto__,constructor,'),
                                      pg_notify('penstock_wake', repeat('y', 7000)), pg_notify('penstock_wake', 'somebody last')`);
    await last.rung;
    expect(stop.count()).toBe(0);
  });
});
