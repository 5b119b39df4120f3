import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { claimsHeld } from '../../src/store/workers.ts';
import type { AttemptOutcome, Executor } from '../../src/worker/executor.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { createTestEngine, type TestEngine } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { until } from '../support/waiting.ts';
import { type SilentProxy, startSilentProxy } from './silent-proxy.ts';

// Packets can get lost without a word: a firewall forgets a connection, a machine is unplugged. Nobody waits for ever for an answer then.

let engine: TestEngine;
let proxy: SilentProxy;
let database: Database;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());
beforeEach(async () => {
  proxy = await startSilentProxy(engine.database.settings);
  database = openDatabase(proxy.settings, { patience: { connectMs: 400, answerMs: 400 } });
});
afterEach(async () => {
  await database.close();
  await proxy.close();
});

test('connecting is given up, and works again when the network does', async () => {
  proxy.fallSilent();
  await expect(database.connect('test')).rejects.toThrow(/timeout/);
  await expect(database.pool.query('select 1')).rejects.toThrow(/timeout/);
  await expect(database.prisma.pipeline.count()).rejects.toThrow(/timeout/i);
  proxy.speak();
  expect((await database.pool.query('select 1')).rowCount).toBe(1);
  expect(await database.prisma.pipeline.count()).toBe(0);
});

test('a statement whose answer was swallowed is given up, and the next one goes over a new connection', async () => {
  const client = await database.connect('test');
  const gone = new Promise((resolve) => client.once('end', resolve));
  await database.pool.query('select 1');
  await database.prisma.pipeline.count();
  proxy.forgetConnections();
  await Promise.all([
    expect(client.query('select 1')).rejects.toThrow(),
    expect(database.pool.query('select 1')).rejects.toThrow(/said nothing/),
    expect(database.prisma.pipeline.count()).rejects.toThrow(),
    gone,
  ]);
  expect((await database.pool.query('select 1')).rowCount).toBe(1);
  expect(await database.prisma.pipeline.count()).toBe(0);
});

test('a transaction that is cut off fails, and its session is told to end by itself', async () => {
  let told: Record<string, string> = {};
  const cutOff = database.transaction(async (client) => {
    const names = ['tcp_keepalives_idle', 'idle_in_transaction_session_timeout', 'client_connection_check_interval'];
    const { rows } = await client.query<{ name: string; setting: string }>(
      'select name, setting from pg_settings where name = any($1) and source = $2',
      [names, 'session'],
    );
    told = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    proxy.forgetConnections();
    await client.query('select 1');
  });
  await expect(cutOff).rejects.toThrow(/said nothing/);
  expect(told).toMatchObject({ idle_in_transaction_session_timeout: '2000' });
  expect(await database.transaction(async (client) => (await client.query('select 1')).rowCount)).toBe(1);
});

test('a connection that waits for nothing is left in peace, and watched again when it is used', async () => {
  const client = await database.connect('test');
  const { stream } = client.connection as unknown as { stream: NodeJS.EventEmitter };
  await new Promise((resolve) => stream.once('timeout', resolve));
  await expect(database.pool.query('select pg_sleep(10)')).rejects.toThrow(/said nothing/);
  expect((await client.query('select 1')).rowCount).toBe(1);
  proxy.forgetConnections();
  await expect(client.query('select 1')).rejects.toThrow(/said nothing/);
});

test.runIf(process.platform === 'linux')(
  'one that is idle is asked from time to time whether it is still there',
  async () => {
    const client = await database.connect('test');
    const { stream } = client.connection as unknown as { stream: { localPort: number } };
    const port = stream.localPort.toString(16).toUpperCase().padStart(4, '0');
    const timerOf = () =>
      readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .find(([, local, , state]) => local?.endsWith(`:${port}`) && state === '01')?.[5];
    // 02 is the timer of the next probe.
    await until('a probe is planned', async () => timerOf()?.startsWith('02:'));
    await client.end();
  },
);

test('a worker whose connections are forgotten while a block runs reports over new ones, and goes on', async () => {
  const completed: AttemptOutcome = { status: 'completed', outputs: [], tests: [], cpuTimeMs: 1, maxRssBytes: 1 };
  const started: string[] = [];
  const mayEnd = Promise.withResolvers<void>();
  const executor: Executor = {
    run: ({ blockUuid }) => {
      started.push(blockUuid);
      const outcome = (blockUuid === 'b1' ? mayEnd.promise : Promise.resolve()).then(() => completed);
      return { outcome, pid: Promise.resolve(1), stop: () => mayEnd.resolve() };
    },
    warm: async () => {},
    stop: async () => {},
  };
  await engine.pipeline('cut_off', [[], [0]]);
  const run = await engine.start('cut_off');
  const worker = await startWorker({
    context: { ...engine.context, database },
    executorOf: () => executor,
    projectDir: '/nowhere',
    outputsRoot: '/nowhere',
    slots: 1,
    label: 'default',
    host: 'test',
    pid: process.pid,
    graceMs: 0,
    onError: () => {},
  });
  await until('b1 runs', async () => started.length > 0);
  expect(await claimsHeld(engine.database.pool, worker.id)).toHaveLength(1);
  proxy.forgetConnections();
  mayEnd.resolve();
  await until('the run ends', async () => (await engine.runRow(run)).status === 'completed');
  expect(started).toEqual(['b1', 'b2']);
  await expectInvariants(engine.database, run);
  await worker.stop({ drainMs: 0, graceMs: 0 });
});
