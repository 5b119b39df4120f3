import { startEventFeed } from '../../src/events/feed.ts';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { keyOf, nextMessage, outOfOrder, takeEvents } from './reading.ts';
import { openTestLog } from './test-log.ts';

/**
 * A process of its own for slow-reader.test.ts, to be started with --expose-gc and the connection as JSON: one stream isn't read
 * while `total` events go by. Prints what came of it as JSON.
 */

export type SlowReaderReport = {
  readonly grownMb: number;
  readonly quick: { readonly events: number; readonly outOfOrder: number };
  readonly slow: { readonly types: readonly string[]; readonly events: number; readonly outOfOrder: number };
};

const total = 100_000;
const perTransaction = 500;

const log = await openTestLog(JSON.parse(process.argv[2] ?? '{}') as ConnectionSettings, 4);
const feed = await startEventFeed({ database: log.database });
const runs = await log.createRuns(10);
const everything = { after: null, pipelineRunId: null, filter: () => true };
const slow = await feed.open(everything);
const quick = await feed.open(everything);
await log.append(runs[0] ?? 0n, 1);
await takeEvents(slow, 1);
await takeEvents(quick, 1);

const before = memoryMb();
const counting = countAndForget();
for (let n = 0; n < total / perTransaction; n++) {
  await log.append(runs[n % runs.length] ?? 0n, perTransaction);
  feed.wake();
}
const quickReport = await counting;
const grownMb = memoryMb() - before;

const first = await nextMessage(slow);
const keys = (await takeEvents(slow, total)).map(keyOf);
await log.append(runs[0] ?? 0n, 1);
const live = await nextMessage(slow);
const report: SlowReaderReport = {
  grownMb,
  quick: quickReport,
  slow: { types: [first.type, live.type], events: new Set(keys).size, outOfOrder: outOfOrder(keys).length },
};
await feed.stop();
await log.close();
process.stdout.write(JSON.stringify(report));

/** What a quick reader sees, without keeping it. */
async function countAndForget(): Promise<SlowReaderReport['quick']> {
  const newest = new Map<bigint, number>([[runs[0] ?? 0n, 1]]);
  let wrong = 0;
  for (let n = 0; n < total; n++) {
    const [message] = await takeEvents(quick, 1);
    if (!message) break;
    const { pipelineRunId, seq } = message.event;
    if (seq !== (newest.get(pipelineRunId) ?? 0) + 1) wrong++;
    newest.set(pipelineRunId, seq);
  }
  return { events: [...newest.values()].reduce((sum, seq) => sum + seq, 0) - 1, outOfOrder: wrong };
}

function memoryMb(): number {
  if (!globalThis.gc) throw new Error('Start it with --expose-gc.');
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}
