import { DBOS } from '@dbos-inc/dbos-sdk';
import pg from 'pg';
import type { Figures } from '../benchmark.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { servePeer } from './serve-peer.ts';

/**
 * A DBOS queue with ten workers in one process and workflows that do nothing. Everything is enqueued in one statement
 * through DBOS' own SQL function (many times faster than its client), and the clock starts before that.
 *
 * A DBOS queue is polled; 1 ms is the interval that drained fastest here (1,100–1,300 items/s, against 700 with 10 ms
 * and 10 with the default of 1,000 ms).
 */
const queue = 'fan';
const workers = 10;
const pollingIntervalMs = 1;

/** Counts the workflows down to the moment when the last one has run. */
let remaining = 0;
let lastOneRan = () => {};

DBOS.registerWorkflow(
  async () => {
    remaining -= 1;
    if (remaining === 0) lastOneRan();
  },
  { name: 'item' },
);

async function start(settings: PeerSettings): Promise<Peer> {
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: settings.databaseUrl,
    systemDatabasePoolSize: 2 * workers,
    logLevel: 'error',
  });
  const client = new pg.Client(settings.databaseUrl);
  await client.connect();

  const drain = async (items: number): Promise<number> => {
    const allRan = new Promise<void>((resolve) => {
      lastOneRan = resolve;
    });
    remaining = items;
    const started = performance.now();
    await client.query(`select dbos.enqueue_workflow('item', $1) from generate_series(1, $2::int)`, [queue, items]);
    await allRan;
    await allSucceeded(client);
    return performance.now() - started;
  };

  // A poll every millisecond would disturb the others' turns, so DBOS is up during its own only.
  const measure = async (): Promise<Figures> => {
    await DBOS.launch();
    await DBOS.registerQueue(queue, { workerConcurrency: workers, minPollingIntervalMs: pollingIntervalMs });
    try {
      // Its table keeps what is done and slows down as it grows; each round starts with an empty one.
      await client.query('truncate dbos.workflow_status cascade');
      await drain(Math.min(settings.size, 100));
      const wallMs = await drain(settings.size);
      return { value: settings.size / (wallMs / 1000), operations: settings.size, raw: { wallMs } };
    } finally {
      await DBOS.shutdown();
    }
  };
  for (let i = 0; i < settings.warmUps; i++) await measure();
  return { measure, stop: () => client.end() };
}

/** The last results are committed a few milliseconds after the last workflow has run. */
async function allSucceeded(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ readonly left: number }>(
      `select count(*)::int as left from dbos.workflow_status where queue_name = $1 and status <> 'SUCCESS'`,
      [queue],
    );
    if (rows[0]?.left === 0) return;
  }
}

await servePeer(start);
