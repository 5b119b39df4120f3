import type { EventStream } from '../../src/events/event-feed.ts';
import type { GraphQLServices } from '../../src/graphql/context.ts';

/** A feed for tests that follow nothing: its streams have ended before they began. */
export const silentFeed: GraphQLServices['feed'] = {
  position: async () => 'now',
  open: async () => ended,
  lagMs: () => 0,
  epoch: () => 1,
};

const ended: EventStream = {
  next: async () => ({ done: true, value: undefined }),
  [Symbol.asyncIterator]: () => ended,
};
