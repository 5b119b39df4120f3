import type { RunEventRecord } from '../domain/events.ts';
import type { EventStream, FeedMessage } from '../events/event-feed.ts';

/**
 * A stream without the events that don't match, for a question that needs the database; messages around the events pass.
 * Made by hand: an `async function*` would hear of `return()` only after the next event.
 */
export function filterStream(source: EventStream, matches: (event: RunEventRecord) => Promise<boolean>): EventStream {
  const next = async (): Promise<IteratorResult<FeedMessage>> => {
    for (;;) {
      const result = await source.next();
      if (result.done || result.value.type !== 'event') return result;
      if (await matches(result.value.event)) return result;
    }
  };
  const stream: EventStream = {
    next,
    return: async () => {
      await source.return?.();
      return { done: true, value: undefined };
    },
    throw: async (error) => {
      await source.return?.();
      throw error;
    },
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}
