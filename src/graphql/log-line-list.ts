import { isTerminalBlock, isTerminalRun } from '../domain/lifecycle.ts';
import type { LogLine } from '../generated/prisma/client.ts';
import { type LogLineCriteria, listLogLines } from '../store/list-log-lines.ts';
import { BlockRunRef } from './block-run.ts';
import { BlockRunAttemptRef } from './block-run-attempt.ts';
import { builder, forViewers } from './builder.ts';
import { connectionType, pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { LogFilter, type LogFilterInput, logLineCriteria } from './log-filter.ts';
import { LogLineRef } from './log-line.ts';
import { type Connection, type PageArguments, readPage, standardPage } from './paging.ts';
import { PipelineRunRef } from './pipeline-run.ts';

/** Logs: of a run, of a block run, of one attempt, and of everything. */

type LogLineConnection = Connection<LogLine> & {
  readonly isComplete: () => Promise<boolean>;
  readonly droppedLines: () => Promise<number>;
};

const LogLineConnectionRef = connectionType<LogLine, LogLineConnection>('LogLine', 'log lines', LogLineRef);
builder.objectFields(LogLineConnectionRef, (t) => ({
  isComplete: t.boolean({
    description: 'True when no more lines can come.',
    resolve: (page) => page.isComplete(),
  }),
  droppedLines: t.int({
    description: 'Lines that were not kept, because an attempt printed too many.',
    resolve: (page) => page.droppedLines(),
  }),
}));

/** Whose log it is, and what is known of its end. */
type LogOwner = Pick<LogLineConnection, 'isComplete' | 'droppedLines'> & { readonly of: LogLineCriteria['of'] };

function logPage(
  { database }: GraphQLContext,
  owner: LogOwner,
  filter: LogFilterInput,
  page: PageArguments,
): Promise<LogLineConnection> {
  const criteria = { ...logLineCriteria(filter), of: owner.of };
  return readPage<bigint, LogLine>(
    {
      identity: ['logs', criteria],
      sortKind: 'number',
      idKind: 'number',
      size: standardPage,
      positions: (window) => listLogLines(database, criteria, window),
      load: (ids) => database.prisma.logLine.findMany({ where: { id: { in: [...ids] } } }),
      idOf: (line) => line.id,
    },
    page,
  ).then((connection) => ({ ...connection, isComplete: owner.isComplete, droppedLines: owner.droppedLines }));
}

const logDescription = 'oldest first. Ask with `last` for the newest ones.';

builder.prismaObjectField(PipelineRunRef, 'logs', (t) =>
  t.field({
    type: LogLineConnectionRef,
    description: `What its blocks printed, ${logDescription}`,
    args: { filter: t.arg({ type: LogFilter, description: 'Which lines; all unless given.' }), ...pageArguments() },
    resolve: (run, { filter, ...page }, context) => {
      const owner: LogOwner = {
        of: { pipelineRunId: run.id },
        isComplete: async () => isTerminalRun(run.status),
        droppedLines: async () => (await context.loaders.usageOfPipelineRun.load(run.id))?.droppedLines ?? 0,
      };
      return logPage(context, owner, filter, page);
    },
  }),
);

builder.prismaObjectField(BlockRunRef, 'logs', (t) =>
  t.field({
    type: LogLineConnectionRef,
    // Two statements for each block run or attempt around it.
    extensions: { cost: 10 },
    description: `What all its attempts printed, ${logDescription}`,
    args: { filter: t.arg({ type: LogFilter, description: 'Which lines; all unless given.' }), ...pageArguments() },
    resolve: (block, { filter, ...page }, context) => {
      const owner: LogOwner = {
        of: { blockRunId: block.id },
        isComplete: async () => isTerminalBlock(block.status),
        droppedLines: async () => {
          const attempts = await context.loaders.attemptsOfBlockRun.load(block.id);
          return attempts.reduce((sum, attempt) => sum + attempt.droppedLines, 0);
        },
      };
      return logPage(context, owner, filter, page);
    },
  }),
);

builder.prismaObjectField(BlockRunAttemptRef, 'logs', (t) =>
  t.field({
    type: LogLineConnectionRef,
    // Two statements for each block run or attempt around it.
    extensions: { cost: 10 },
    description: `What it printed, ${logDescription}`,
    args: { filter: t.arg({ type: LogFilter, description: 'Which lines; all unless given.' }), ...pageArguments() },
    resolve: (attempt, { filter, ...page }, context) => {
      const owner: LogOwner = {
        of: { blockRunId: attempt.blockRunId, attempt: attempt.number },
        isComplete: async () => attempt.completedAt !== null,
        droppedLines: async () => attempt.droppedLines,
      };
      return logPage(context, owner, filter, page);
    },
  }),
);

builder.queryField('logs', (t) =>
  t.field({
    type: LogLineConnectionRef,
    description: `The log lines of all runs, ${logDescription} Here \`isComplete\` is false and \`droppedLines\` 0: ask a run for its own.`,
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: LogFilter, required: true, description: 'Which lines.' }),
      ...pageArguments(),
    },
    resolve: (_root, { filter, ...page }, context) => {
      const owner: LogOwner = { of: {}, isComplete: async () => false, droppedLines: async () => 0 };
      return logPage(context, owner, filter, page);
    },
  }),
);
