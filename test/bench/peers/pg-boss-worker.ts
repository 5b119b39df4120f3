import { setTimeout as sleep } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';

/** One worker process of pg-boss.ts: tells its parent which job begins and ends. */
const [databaseUrl = '', queue = '', seconds = '1'] = process.argv.slice(2);

const boss = new PgBoss({ connectionString: databaseUrl, supervise: false, schedule: false });
boss.on('error', () => {});
await boss.start();
await boss.work(queue, { localConcurrency: 2, pollingIntervalSeconds: 0.5 }, async (jobs) => {
  for (const { id } of jobs) {
    process.send?.({ began: id });
    await sleep(Number(seconds) * 1000);
    process.send?.({ ended: id });
  }
});
process.on('disconnect', () => process.exit());
