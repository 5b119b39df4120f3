import type { LogLineCriteria } from '../store/list-log-lines.ts';
import { builder } from './builder.ts';
import {
  checkedList,
  DateTimeFilter,
  given,
  IdFilter,
  idCriteria,
  instantCriteria,
  StringFilter,
  textCriteria,
} from './filters.ts';
import { LogLevelRef, LogStreamRef } from './log-line.ts';

export const LogFilter = builder.inputType('LogFilter', {
  description: 'Which log lines; everything given must hold.',
  fields: (t) => ({
    level: t.field({ type: [LogLevelRef], description: 'How much they matter: one of these.' }),
    search: t.string({ description: 'Text in the line, in upper or lower case.' }),
    blockUuid: t.field({ type: StringFilter, description: 'The block that printed them.' }),
    blockRunId: t.field({ type: IdFilter, description: 'The block run that printed them.' }),
    attempt: t.int({ description: 'The attempt of the block run.' }),
    at: t.field({ type: DateTimeFilter, description: 'When they were printed.' }),
    stream: t.field({ type: [LogStreamRef], description: 'Where they came from: one of these.' }),
  }),
});

export type LogFilterInput = typeof LogFilter.$inferInput | null | undefined;

/** What the store is asked, but for whose log it is. Throws INVALID_INPUT for a malformed id. */
export function logLineCriteria(filter: LogFilterInput): Omit<LogLineCriteria, 'of'> {
  if (!filter) return {};
  const { level, search, blockUuid, blockRunId, attempt, at, stream } = filter;
  return given<Omit<LogLineCriteria, 'of'>>({
    level: level && checkedList('level', level),
    stream: stream && checkedList('stream', stream),
    search,
    blockUuid: blockUuid && textCriteria('blockUuid', blockUuid),
    blockRunIds: blockRunId && idCriteria('blockRunId', 'blk', blockRunId),
    attempt,
    at: at && instantCriteria(at),
  });
}
