import { isVisible, type Snapshot } from './snapshot.ts';

/**
 * A set of events: those that were visible at one moment. `maxId` is the highest id among them. It matters after a crash of
 * the database: transaction numbers that never reached the disk are given out again, and an old snapshot takes their new
 * owners for seen. Ids of committed events are never given out again, so what lies above `maxId` is new, whatever its xid.
 */
export type LogPosition = { readonly snapshot: Snapshot; readonly maxId: bigint };

/**
 * How far a reader of all events is. It has seen `seen` (null: nothing), and, in the middle of a page, also those events of
 * `page.upTo` whose id is at most `page.lastId`. Exact: what it has not seen is neither lost nor read twice.
 */
export type LogPoint = {
  readonly seen: LogPosition | null;
  readonly page: { readonly upTo: LogPosition; readonly lastId: bigint } | null;
};

/** Where an event stands in the log. */
export type LogPlace = { readonly xid: bigint; readonly id: bigint };

/** Whether a position includes an event. */
export function includes(position: LogPosition, { xid, id }: LogPlace): boolean {
  return id <= position.maxId && isVisible(xid, position.snapshot);
}

/** Whether a reader at this point has seen an event. */
export function hasSeen({ seen, page }: LogPoint, place: LogPlace): boolean {
  if (seen && includes(seen, place)) return true;
  return page !== null && place.id <= page.lastId && includes(page.upTo, place);
}
