import { hasSeen, type LogPoint } from '../store/log-position.ts';
import { readLogBounds, readRunBounds, readSeenSeq } from '../store/run-event-log.ts';
import { InvalidCursorError, parseCursor } from './cursor.ts';
import { createLogReader } from './log-reader.ts';
import type { LogAccess, Reader } from './reader.ts';
import { createRunReader } from './run-reader.ts';

/** From where a stream goes on, and whether that is where its cursor wanted. */
export type Resumption = { readonly reader: Reader; readonly isExpired: boolean };

const nothing: LogPoint = { seen: null, page: null };

/** Where a stream of all events goes on after a cursor. Throws InvalidCursorError. */
export async function resumeLog(access: LogAccess, after: string): Promise<Resumption> {
  const cursor = parseCursor(after);
  if (cursor.kind === 'run') {
    throw new InvalidCursorError(
      "This is a cursor of one run's events, and the subscription is to more than one run. Subscribe to that run alone, or without a cursor to begin now.",
    );
  }
  const isExpired = cursor.epoch !== access.epoch() || !(await isKept(access, cursor.point));
  return { reader: createLogReader(access, isExpired ? nothing : cursor.point), isExpired };
}

/** Whether everything after the point is still there, and the point is not from the future of a log that went back. */
async function isKept({ read }: LogAccess, point: LogPoint): Promise<boolean> {
  const { oldest, newestId } = await read(readLogBounds);
  const newestSeen = point.page?.upTo.maxId ?? point.seen?.maxId ?? 0n;
  if (newestSeen > newestId) return false;
  // The first event of a log that nothing was removed from is the first one of its run.
  return oldest === null || oldest.seq === 1 || hasSeen(point, oldest);
}

/** Where a stream about one run goes on after a cursor, of its own or of all events. Throws InvalidCursorError. */
export async function resumeRun(access: LogAccess, pipelineRunId: bigint, after: string): Promise<Resumption> {
  const cursor = parseCursor(after);
  if (cursor.kind === 'run' && cursor.pipelineRunId !== pipelineRunId) {
    throw new InvalidCursorError(
      `This is a cursor of run ${cursor.pipelineRunId}'s events, and the subscription is to run ${pipelineRunId}. Subscribe without it to begin now.`,
    );
  }
  const isOfNow = cursor.epoch === null || cursor.epoch === access.epoch();
  if (!isOfNow) return { reader: createRunReader(access, pipelineRunId, 0), isExpired: true };

  const { read } = access;
  const seq =
    cursor.kind === 'run' ? cursor.seq : await read((client) => readSeenSeq(client, pipelineRunId, cursor.point));
  const { oldestSeq, newestSeq } = await read((client) => readRunBounds(client, pipelineRunId));
  const firstKept = oldestSeq ?? newestSeq + 1;
  const isKept = seq <= newestSeq && seq + 1 >= firstKept;
  return { reader: createRunReader(access, pipelineRunId, isKept ? seq : firstKept - 1), isExpired: !isKept };
}
