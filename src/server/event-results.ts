import type { ExecutionResult, GraphQLError } from 'graphql';

/** The results of a subscription, pulled one by one. `return()` settles at once, also while a `next()` waits for an event. */
export type EventResults = {
  readonly next: () => Promise<IteratorResult<ExecutionResult, undefined>>;
  readonly return: () => Promise<IteratorResult<ExecutionResult, undefined>>;
  readonly throw: (error: unknown) => Promise<IteratorResult<ExecutionResult, undefined>>;
  readonly [Symbol.asyncIterator]: () => EventResults;
};

const done = { done: true, value: undefined } as const;

/**
 * Executes each event of a source as it is pulled. Made by hand, because an `async function*` that waits for an event is released only after
 * that event; and pulled, because whoever writes to a slow client must be able to stop asking. Nothing is read ahead.
 * A source that fails ends the results with `explain`'s error.
 */
export function createEventResults(
  source: AsyncIterable<unknown>,
  how: {
    readonly execute: (event: unknown) => Promise<ExecutionResult>;
    readonly explain: (error: unknown) => GraphQLError;
  },
): EventResults {
  const events = source[Symbol.asyncIterator]();
  /** The pulls that wait; a set of their own resolvers, since racing each against one long-lived promise would keep every event in memory. */
  const waiting = new Set<(over: typeof done) => void>();
  let isOver = false;

  const letGo = (): void => {
    isOver = true;
    // Not awaited: a source that is slow to let go must not hold up the socket that is closing.
    (async () => events.return?.())().catch(() => undefined);
  };

  const finish = async (): Promise<typeof done> => {
    if (isOver) return done;
    letGo();
    for (const end of waiting) end(done);
    waiting.clear();
    return done;
  };

  const pull = async (): Promise<IteratorResult<ExecutionResult, undefined>> => {
    try {
      const event = await events.next();
      if (isOver) return done;
      if (event.done === true) {
        isOver = true;
        return done;
      }
      const result = await how.execute(event.value);
      rememberCursor(result, event.value);
      return { done: false, value: result };
    } catch (error) {
      if (isOver) return done;
      letGo();
      throw how.explain(error);
    }
  };

  const results: EventResults = {
    next: () =>
      new Promise((resolve, reject) => {
        if (isOver) return resolve(done);
        waiting.add(resolve);
        pull()
          .then(resolve, reject)
          .finally(() => waiting.delete(resolve));
      }),
    return: finish,
    throw: async (error) => {
      await finish();
      throw error;
    },
    [Symbol.asyncIterator]: () => results,
  };
  return results;
}

/** Beside the result, not in it: an event stream sends the cursor as `id:`, whatever the client selected. */
const cursors = new WeakMap<ExecutionResult, string>();

/** The cursor of the event a result was made from, when the event carries one. */
export function cursorOf(result: ExecutionResult): string | null {
  return cursors.get(result) ?? null;
}

function rememberCursor(result: ExecutionResult, event: unknown): void {
  if (typeof event === 'object' && event !== null && 'cursor' in event && typeof event.cursor === 'string') {
    cursors.set(result, event.cursor);
  }
}
