import type { RunEventKind, RunEventRecord } from '../domain/events.ts';
import { createBoundedQueue, type QueueBound } from './bounded-queue.ts';
import type { Bus, LiveBatch, LiveEntry } from './bus.ts';
import type { EventStream, FeedMessage } from './event-feed.ts';
import type { LogPage, Reader, Waiting } from './reader.ts';

export type StreamSources = {
  readonly bus: Bus;
  readonly reader: Reader;
  readonly pipelineRunId: bigint | null;
  /** Null: of every kind. */
  readonly kinds: readonly RunEventKind[] | null;
  readonly filter: (event: RunEventRecord) => boolean;
  readonly bound: QueueBound;
  /** What it says before any event. */
  readonly opening: readonly FeedMessage[];
  /** Told when the log can't be read; it is tried again. */
  readonly onProblem: (error: unknown) => void;
  readonly onEnd: () => void;
};

/** A stream and what its feed does with it. */
export type FeedStream = EventStream & {
  /** The log tells another history: what is under way is dropped, and everything that is kept follows. */
  readonly expire: () => void;
  /** Ends it, as `return()` does. */
  readonly end: () => void;
};

const firstRetryMs = 100;
const longestRetryMs = 2000;

/**
 * One subscriber's stream: the log's pages first, then live. It pulls a page only when it is read from, and live events wait in a
 * bounded queue. When that overflows, the queue goes and the log takes over: who doesn't read holds a cursor and nothing else.
 *
 * An iterator made by hand: an `async function*` that waits can't be returned from before its next event.
 */
export function openEventStream(sources: StreamSources): FeedStream {
  const { bus, pipelineRunId, kinds, bound, onProblem, onEnd } = sources;
  const queue = createBoundedQueue<Waiting>(bound);
  const pulls: PromiseWithResolvers<IteratorResult<FeedMessage, undefined>>[] = [];
  let reader = sources.reader;
  let ready = [...sources.opening];
  let phase: 'reading' | 'live' | 'ended' = 'reading';
  let detach: (() => void) | null = null;
  /** The page that is being fetched; one that comes back when it isn't this any more is thrown away. */
  let fetching: symbol | null = null;
  let retryTimer: NodeJS.Timeout | undefined;
  let retryMs = firstRetryMs;
  let failure: { readonly error: unknown } | null = null;

  attach();

  function attach(): void {
    detach = bus.attach(pipelineRunId, { kinds, receive });
    reader.lookAgain();
  }

  function pump(): void {
    while (pulls.length > 0 && phase !== 'ended') {
      const message = ready.shift() ?? (phase === 'live' ? takeLive() : undefined);
      if (message === undefined) {
        if (phase === 'reading' && fetching === null) void fetchPage();
        return;
      }
      pulls.shift()?.resolve({ done: false, value: message });
    }
  }

  function takeLive(): FeedMessage | undefined {
    for (let waiting = queue.shift(); waiting; waiting = queue.shift()) {
      const message = reader.take(waiting);
      if (message) return message;
    }
    return undefined;
  }

  /** The subscriber's kinds and filter. When it fails, its own stream ends with the error, and nobody else notices. */
  function accepts(event: RunEventRecord): boolean {
    if (kinds && !kinds.includes(event.kind)) return false;
    try {
      return sources.filter(event);
    } catch (error) {
      failure ??= { error };
      end();
      return false;
    }
  }

  function receive(batch: LiveBatch, entries: readonly LiveEntry[]): void {
    for (const entry of entries) {
      if (!accepts(entry.event)) continue;
      if (!queue.push({ batch, entry }, entry.bytes)) {
        overflow();
        return;
      }
    }
    if (phase === 'live') pump();
  }

  function overflow(): void {
    detach?.();
    detach = null;
    const first = queue.peek();
    if (phase === 'live' && first) {
      reader.goBackTo(first);
      ready.push({ type: 'lagged', cursor: reader.cursor(), skippedLive: queue.size() + 1 });
      phase = 'reading';
    }
    queue.clear();
    pump();
  }

  async function fetchPage(): Promise<void> {
    const fetch = Symbol();
    fetching = fetch;
    let page: LogPage;
    try {
      page = await reader.page(accepts);
    } catch (error) {
      if (fetching === fetch) retryLater(error);
      return;
    }
    if (fetching !== fetch) return;
    fetching = null;
    retryMs = firstRetryMs;
    for (const message of page.messages) ready.push(message);
    if (page.isLast && detach) phase = 'live';
    else if (page.isLast) attach();
    pump();
  }

  function retryLater(error: unknown): void {
    onProblem(error);
    retryTimer = setTimeout(() => {
      fetching = null;
      pump();
    }, retryMs);
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  }

  /** Drops everything that was on its way to the subscriber. */
  function drop(): void {
    clearTimeout(retryTimer);
    fetching = null;
    ready = [];
    queue.clear();
  }

  function end(): void {
    if (phase === 'ended') return;
    phase = 'ended';
    detach?.();
    detach = null;
    drop();
    for (const pull of pulls.splice(0)) settleEnded(pull);
    onEnd();
  }

  /** A failure is told once; after that, and otherwise, the stream is over. */
  function settleEnded(pull: PromiseWithResolvers<IteratorResult<FeedMessage, undefined>>): void {
    if (failure) pull.reject(failure.error);
    else pull.resolve({ done: true, value: undefined });
    failure = null;
  }

  return {
    next() {
      const pull = Promise.withResolvers<IteratorResult<FeedMessage, undefined>>();
      if (phase === 'ended') {
        settleEnded(pull);
      } else {
        pulls.push(pull);
        pump();
      }
      return pull.promise;
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
    async throw(error) {
      end();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    expire() {
      if (phase === 'ended') return;
      const isNew = ready[0]?.type === 'subscribed';
      drop();
      phase = 'reading';
      // A new one: a page that is still being fetched belongs to the old one.
      reader = reader.startOver();
      const cursor = reader.cursor();
      if (isNew) ready.push({ type: 'subscribed', cursor });
      ready.push({ type: 'expired', oldestCursor: cursor, resumesAt: cursor });
      pump();
    },
    end,
  };
}
