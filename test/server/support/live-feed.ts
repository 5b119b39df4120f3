import type { RunEventRecord } from '../../../src/domain/events.ts';
import type { EventStream, FeedMessage } from '../../../src/events/event-feed.ts';
import type { GraphQLServices } from '../../../src/graphql/context.ts';

/** A feed without a database: a test says what happens, and sees how many streams are open. */
export type LiveFeed = GraphQLServices['feed'] & {
  readonly happen: (event: Partial<RunEventRecord>) => void;
  readonly untilOpen: (count: number) => Promise<void>;
};

export function createLiveFeed(): LiveFeed {
  const streams = new Set<(message: FeedMessage) => void>();
  const watchers = new Set<() => void>();
  let happened = 0;
  const changed = () => {
    for (const watcher of [...watchers]) watcher();
  };

  const open = (): EventStream => {
    const queue: FeedMessage[] = [{ type: 'subscribed', cursor: String(happened) }];
    let wake: () => void = () => undefined;
    let isOver = false;
    const push = (message: FeedMessage) => {
      queue.push(message);
      wake();
    };
    streams.add(push);
    changed();
    const stream: EventStream = {
      async next() {
        while (!isOver && queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const message = queue.shift();
        return isOver || !message ? { done: true, value: undefined } : { done: false, value: message };
      },
      async return() {
        isOver = true;
        streams.delete(push);
        wake();
        changed();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => stream,
    };
    return stream;
  };

  return {
    position: async () => String(happened),
    lagMs: () => 0,
    epoch: () => 1,
    open: async () => open(),
    happen(event) {
      happened += 1;
      const full: RunEventRecord = {
        id: BigInt(happened),
        pipelineRunId: 1n,
        seq: happened,
        at: new Date('2026-03-01T06:00:00Z'),
        kind: 'run_status_changed',
        pipelineUuid: 'seattle_weather',
        runAttempt: 1,
        blockRunId: null,
        blockUuid: null,
        attempt: null,
        fromStatus: 'initial',
        toStatus: 'running',
        actor: null,
        reasonCode: null,
        reasonMessage: null,
        ...event,
      };
      for (const push of streams) push({ type: 'event', cursor: String(happened), event: full });
    },
    untilOpen: (count) =>
      new Promise((resolve) => {
        const watcher = () => {
          if (streams.size !== count) return;
          watchers.delete(watcher);
          resolve();
        };
        watchers.add(watcher);
        watcher();
      }),
  };
}
