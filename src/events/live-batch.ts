import type { LogPosition } from '../store/log-position.ts';
import type { LogEntry } from '../store/run-event-log.ts';
import type { LiveBatch, LiveEntry } from './bus.ts';
import { formatLogCursor, logCursorsOf } from './cursor.ts';

/** A record with its numbers, dates and object headers, and a cursor of usual length. */
const fixedBytes = 700;

/** Readies what the tail read for everybody who listens. `isLast`: nothing of `upTo` is left after it. */
export function liveBatch(
  epoch: number,
  seen: LogPosition,
  upTo: LogPosition,
  entries: readonly LogEntry[],
  isLast: boolean,
): LiveBatch {
  const cursorOf = logCursorsOf(epoch, seen, upTo);
  const lastId = isLast ? entries.at(-1)?.event.id : undefined;
  const live = entries.map((entry): LiveEntry => {
    let cursor: string | undefined;
    return {
      ...entry,
      bytes: bytesOf(entry),
      cursor: () => {
        // With the last one everything up to `upTo` is seen, which is shorter to say.
        cursor ??=
          entry.event.id === lastId ? formatLogCursor(epoch, { seen: upTo, page: null }) : cursorOf(entry.event.id);
        return cursor;
      },
    };
  });
  return { seen, upTo, entries: live };
}

/** About how much memory an entry holds: strings are kept in two bytes a character at worst. */
function bytesOf({ event }: LogEntry): number {
  const { pipelineUuid, blockUuid, actor, reasonMessage } = event;
  const characters =
    pipelineUuid.length + (blockUuid?.length ?? 0) + (actor?.length ?? 0) + (reasonMessage?.length ?? 0);
  return fixedBytes + 2 * characters;
}
