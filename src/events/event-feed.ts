import type { RunEventKind, RunEventRecord } from '../domain/events.ts';

/** The event log as a subscriber sees it. Cursors are opaque strings; a malformed one throws InvalidCursorError from `open`. */
export type EventFeed = {
  /** A position such that everything committed before this call is at or before it. */
  readonly position: () => Promise<string>;
  /**
   * Opens a stream: nothing committed after the returned promise settles can be missed. Rejects with InvalidCursorError, or
   * when the database can't be reached; a stream that is open survives that.
   */
  readonly open: (options: StreamOptions) => Promise<EventStream>;
  /** Milliseconds by which the tail is behind the log; 0 when it has caught up. */
  readonly lagMs: () => number;
};

export type StreamOptions = {
  /** Where the subscriber left off; null for "from now". */
  readonly after: string | null;
  /** Only events of this run, when the subscription is about one: its cursors may then be those of the run's own events. */
  readonly pipelineRunId: bigint | null;
  /** Only events of these kinds; of every kind unless given. What nobody asks for is not even read. */
  readonly kinds?: readonly RunEventKind[] | undefined;
  readonly filter: (event: RunEventRecord) => boolean;
};

/** Pulled one by one. `return()` settles at once, also while a `next()` is waiting. */
export type EventStream = AsyncIterableIterator<FeedMessage>;

export type FeedMessage =
  /** Always first: from this cursor on nothing will be missed. */
  | { readonly type: 'subscribed'; readonly cursor: string }
  | { readonly type: 'event'; readonly cursor: string; readonly event: RunEventRecord }
  /** The subscriber fell behind its bounded queue, which held `skippedLive` events; what follows, they among it, comes from the log. */
  | { readonly type: 'lagged'; readonly cursor: string; readonly skippedLive: number }
  | { readonly type: 'expired'; readonly oldestCursor: string; readonly resumesAt: string };
