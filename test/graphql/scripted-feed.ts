import type { EventFeed, EventStream, FeedMessage, StreamOptions } from '../../src/events/event-feed.ts';

/** A feed whose streams say what a test put down for them, each message as `open`'s filter lets it through. */
export type ScriptedFeed = EventFeed & { readonly epoch: () => number; readonly opened: StreamOptions[] };

export function scriptedFeed(script: readonly FeedMessage[]): ScriptedFeed {
  const opened: StreamOptions[] = [];
  return {
    opened,
    position: async () => 'cursor-now',
    lagMs: () => 0,
    epoch: () => 1,
    open: async (options) => {
      opened.push(options);
      return streamOf(script.filter((message) => message.type !== 'event' || options.filter(message.event)));
    },
  };
}

export const silentFeed: ScriptedFeed = scriptedFeed([]);

function streamOf(messages: readonly FeedMessage[]): EventStream {
  const remaining = messages[Symbol.iterator]();
  const stream: EventStream = {
    next: async () => remaining.next(),
    return: async () => ({ done: true, value: undefined }),
    [Symbol.asyncIterator]: () => stream,
  };
  return stream;
}
