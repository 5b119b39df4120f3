import type pg from 'pg';
import type { RunEventRecord } from '../domain/events.ts';
import type { LiveBatch, LiveEntry } from './bus.ts';
import type { FeedMessage } from './event-feed.ts';

/** A live event that waits for its subscriber. */
export type Waiting = { readonly batch: LiveBatch; readonly entry: LiveEntry };

/**
 * How far one subscriber is, and how it goes on from there: first page by page from the log, then with what the bus brings. Two kinds
 * (all events, one run) share the way in which a stream comes from the log to live: **attach to the bus, then `lookAgain`, then read
 * pages up to the last one, then take from the bus what was not seen.** What is committed before the look is in the pages; what
 * comes after it is on the bus, because the bus was attached by then.
 */
export type Reader = {
  /** The cursor of what has been handed over. */
  readonly cursor: () => string;
  /** The end of the log is to be found anew: the page that is the last one lies behind this moment. */
  readonly lookAgain: () => void;
  /** The next page; only of what `filter` lets through. May be empty and not the last. */
  readonly page: (filter: (event: RunEventRecord) => boolean) => Promise<LogPage>;
  /** Hands over a live event; null when it was read from the log already. */
  readonly take: (waiting: Waiting) => FeedMessage | null;
  /** The live events from this one on are not taken but will be read from the log. */
  readonly goBackTo: (waiting: Waiting) => void;
  /** Another one, which has seen nothing: the log tells another history now. */
  readonly startOver: () => Reader;
};

export type LogPage = { readonly messages: readonly FeedMessage[]; readonly isLast: boolean };

/** What readers read with. */
export type LogAccess = {
  /** Runs one short read; waits while too many others read. */
  readonly read: <T>(work: (client: pg.Pool) => Promise<T>) => Promise<T>;
  readonly pageSize: number;
  /** The epoch that holds. */
  readonly epoch: () => number;
};
