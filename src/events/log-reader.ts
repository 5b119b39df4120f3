import { includes, type LogPoint } from '../store/log-position.ts';
import { readPage, readWindow } from '../store/run-event-log.ts';
import { sawMore } from '../store/snapshot.ts';
import { formatLogCursor, logCursorsOf } from './cursor.ts';
import type { FeedMessage } from './event-feed.ts';
import type { LogAccess, LogPage, Reader, Waiting } from './reader.ts';

/** Reads all events, from a point on. */
export function createLogReader(access: LogAccess, start: LogPoint): Reader {
  const { read, pageSize, epoch } = access;
  let point = start;
  /** Whether `point.page.upTo` is older than the last look. */
  let mustLook = true;

  async function openPage(): Promise<void> {
    const { seen } = point;
    const { upTo, startId } = await read((client) => readWindow(client, seen));
    mustLook = false;
    point = startId === null ? { seen: upTo, page: null } : { seen, page: { upTo, lastId: startId - 1n } };
  }

  /** What was seen when a live event comes: all of its batch's `seen` came by before it. */
  function seenBefore({ batch }: Waiting): LogPoint['seen'] {
    const { seen } = point;
    return seen === null || sawMore(batch.seen.snapshot, seen.snapshot) ? batch.seen : seen;
  }

  return {
    cursor: () => formatLogCursor(epoch(), point),
    lookAgain: () => {
      mustLook = true;
    },
    async page(filter): Promise<LogPage> {
      if (point.page === null && mustLook) await openPage();
      const { seen, page } = point;
      if (page === null) return { messages: [], isLast: true };

      const { entries, next } = await read((client) => readPage(client, { seen, page }, pageSize));
      point = next;
      const cursorOf = logCursorsOf(epoch(), seen, page.upTo);
      const messages = entries
        .filter(({ event }) => filter(event))
        .map(({ event }): FeedMessage => ({ type: 'event', cursor: cursorOf(event.id), event }));
      return { messages, isLast: point.page === null && !mustLook };
    },
    take(waiting) {
      const { batch, entry } = waiting;
      const { event, xid } = entry;
      const seen = seenBefore(waiting);
      const isShared = seen === batch.seen;
      if (!isShared && seen && includes(seen, { xid, id: event.id })) return null;
      point = { seen, page: { upTo: batch.upTo, lastId: event.id } };
      return { type: 'event', cursor: isShared ? entry.cursor() : formatLogCursor(epoch(), point), event };
    },
    goBackTo(waiting) {
      point = { seen: seenBefore(waiting), page: { upTo: waiting.batch.upTo, lastId: waiting.entry.event.id - 1n } };
    },
    startOver: () => createLogReader(access, { seen: null, page: null }),
  };
}
