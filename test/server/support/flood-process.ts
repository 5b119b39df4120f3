/**
 * A server in a process of its own, so that its memory can be measured and its death noticed. Told to `flood`, it lets 100,000 events of 1 KB happen;
 * told to `measure`, it collects garbage and says how much it holds and how many events each stream has pulled.
 */
import { buildSchema } from 'graphql';
import { pino } from 'pino';
import { createTokenAccess } from '../../../src/server/access.ts';
import { startServer } from '../../../src/server/start-server.ts';

const text = 'x'.repeat(1_000);
const pulledBy = new Map<string, number>();
const wakes = new Set<() => void>();
let happened = 0;

/** A stream over a log of numbers: nothing is queued for it, it reads on when it is pulled. */
function openStream(name: string): AsyncIterableIterator<unknown> {
  let position = 0;
  let wake: () => void = () => undefined;
  const onFlood = () => wake();
  wakes.add(onFlood);
  const stream: AsyncIterableIterator<unknown> = {
    async next() {
      while (position >= happened) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      position += 1;
      pulledBy.set(name, position);
      return { done: false, value: { events: { cursor: String(position), n: position, text } } };
    },
    async return() {
      wakes.delete(onFlood);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}

const schema = buildSchema(
  'type Query { ok: Boolean } type Event { cursor: String! n: Int! text: String! } type Subscription { events(name: String!): Event! }',
);
const field = schema.getSubscriptionType()?.getFields().events;
if (field) field.subscribe = (_, { name }) => openStream(name);

const server = await startServer({
  host: '127.0.0.1',
  port: 0,
  schema,
  createContext: () => ({}),
  access: createTokenAccess({ token: 'the-token-of-the-tests' }),
  documentLimits: { maxTokens: 2_000, check: () => [] },
  logger: pino({ level: 'silent' }),
});

process.on('message', (order) => {
  if (order === 'flood') {
    happened = 100_000;
    for (const wake of wakes) wake();
  }
  if (order === 'measure') {
    globalThis.gc?.();
    process.send?.({ rss: process.memoryUsage().rss, pulled: Object.fromEntries(pulledBy) });
  }
  if (order === 'close') void server.close().then(() => process.disconnect());
});
// Whoever started this may be killed; nothing is to stay behind.
process.on('disconnect', () => process.exit());
process.send?.({ url: server.url });
