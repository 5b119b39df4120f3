import { readRunPage } from '../store/run-event-log.ts';
import { formatRunCursor } from './cursor.ts';
import type { FeedMessage } from './event-feed.ts';
import type { LogAccess, Reader } from './reader.ts';

/** Reads one run's events after `afterSeq`, by its own index: their `seq` has no gaps, and they become visible in its order. */
export function createRunReader(access: LogAccess, pipelineRunId: bigint, afterSeq: number): Reader {
  const { read, pageSize, epoch } = access;
  let seq = afterSeq;
  const cursorOf = (at: number) => formatRunCursor(pipelineRunId, at, epoch());

  return {
    cursor: () => cursorOf(seq),
    // Every page is read from the log of its own moment, so a page that isn't full is the last one at any time.
    lookAgain: () => {},
    async page(filter) {
      const entries = await read((client) => readRunPage(client, pipelineRunId, seq, pageSize));
      seq = entries.at(-1)?.event.seq ?? seq;
      const messages = entries
        .filter(({ event }) => filter(event))
        .map(({ event }): FeedMessage => ({ type: 'event', cursor: cursorOf(event.seq), event }));
      return { messages, isLast: entries.length < pageSize };
    },
    take({ entry: { event } }) {
      if (event.seq <= seq) return null;
      seq = event.seq;
      return { type: 'event', cursor: cursorOf(seq), event };
    },
    goBackTo({ entry: { event } }) {
      seq = Math.max(seq, event.seq - 1);
    },
    startOver: () => createRunReader(access, pipelineRunId, 0),
  };
}
