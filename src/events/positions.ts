import type { Database } from '../store/database.ts';
import type { LogPosition } from '../store/log-position.ts';
import { readPosition } from '../store/run-event-log.ts';

/**
 * Asks for the present position, for many at once: who asks while a question is on its way shares the next one, because the answer
 * to this one may be older than what they have just seen.
 */
export function createPositions(database: Database): () => Promise<LogPosition> {
  let asking: Promise<LogPosition> | null = null;
  let next: Promise<LogPosition> | null = null;

  function ask(): Promise<LogPosition> {
    const question = readPosition(database.pool).finally(() => {
      if (asking === question) asking = null;
    });
    asking = question;
    return question;
  }

  return () => {
    if (asking === null) return ask();
    next ??= asking
      .catch(() => {})
      .then(() => {
        next = null;
        return ask();
      });
    return next;
  };
}
