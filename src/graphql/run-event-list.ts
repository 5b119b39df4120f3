import type { RunEventRecord } from '../domain/events.ts';
import { formatRunCursor, parseRunCursor } from '../events/cursor.ts';
import { builder } from './builder.ts';
import { connectionType, pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { type Connection, type PageArguments, readPageArguments, standardPage } from './paging.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { invalidCursor } from './request-errors.ts';
import { type CursoredEvent, RunEventRef } from './run-event.ts';

/** A run's history, page by page. Its cursors are those of the live stream: a page can be followed by a subscription. */

const RunEventConnectionRef = connectionType<CursoredEvent>('RunEvent', 'events of a run', RunEventRef);

builder.prismaObjectField(PipelineRunRef, 'events', (t) =>
  t.field({
    type: RunEventConnectionRef,
    description: 'Its history, oldest first. Ask with `last` for the newest entries.',
    args: pageArguments(),
    resolve: (run, page, context) => eventPage(context, run.id, page),
  }),
);

async function eventPage(
  { database, feed }: GraphQLContext,
  pipelineRunId: bigint,
  page: PageArguments,
): Promise<Connection<CursoredEvent>> {
  const { size, backward, cursor } = readPageArguments(page, standardPage);
  const from = cursor === null ? null : seqOf(pipelineRunId, cursor);
  const read = (beyond: number | null, reading: { readonly backward: boolean; readonly limit: number }) =>
    database.prisma.runEvent.findMany({
      where: { pipelineRunId, ...(beyond === null ? {} : { seq: reading.backward ? { lt: beyond } : { gt: beyond } }) },
      orderBy: { seq: reading.backward ? 'desc' : 'asc' },
      take: reading.limit,
    });

  const rows = await read(from, { backward, limit: size + 1 });
  const inReadingOrder = rows.slice(0, size);
  const events = (backward ? inReadingOrder.toReversed() : inReadingOrder) as RunEventRecord[];
  const hasMoreAhead = async () => rows.length > size;
  const hasMoreBehind = async () => {
    const nearest = inReadingOrder[0]?.seq ?? from;
    return nearest !== null && from !== null && (await read(nearest, { backward: !backward, limit: 1 })).length > 0;
  };
  return {
    edges: events.map((event) => {
      const eventCursor = formatRunCursor(pipelineRunId, event.seq, feed.epoch());
      return { cursor: eventCursor, node: { cursor: eventCursor, event } };
    }),
    hasNextPage: backward ? hasMoreBehind : hasMoreAhead,
    hasPreviousPage: backward ? hasMoreAhead : hasMoreBehind,
  };
}

function seqOf(pipelineRunId: bigint, cursor: string): number {
  const position = parseRunCursor(cursor);
  if (position?.pipelineRunId !== pipelineRunId) {
    throw invalidCursor("This is not a cursor of this run's events. Start again without one.");
  }
  return position.seq;
}
