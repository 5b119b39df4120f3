import { isTerminalBlock, isTerminalRun } from '../domain/lifecycle.ts';
import type { LogLine } from '../generated/prisma/client.ts';
import { type LogLineCriteria, listLogLines } from '../store/list-log-lines.ts';
import { BlockRunRef } from './block-run.ts';
import { BlockRunAttemptRef } from './block-run-attempt.ts';
import { builder, forViewers } from './builder.ts';
import { connectionType, pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { enumValues } from './enums.ts';
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
import { formatId } from './ids.ts';
import { type Connection, type PageArguments, readPage, standardPage } from './paging.ts';
import { PipelineRunRef } from './pipeline-run.ts';

/** What blocks print, and what is said about running them. */

const LogLevelRef = builder.enumType('LogLevel', {
  description: 'How much a log line matters.',
  values: enumValues(['debug', 'info', 'warning', 'error'], {
    debug: 'For whoever looks for a mistake.',
    info: 'What happens.',
    warning: 'Perhaps not as meant.',
    error: 'Something went wrong.',
  }),
});

const LogStreamRef = builder.enumType('LogStream', {
  description: 'Where a log line came from.',
  values: enumValues(['stdout', 'stderr', 'logger', 'system'], {
    stdout: 'The block printed it.',
    stderr: 'The block printed it to standard error.',
    logger: "The block's logger.",
    system: 'Penstock itself, about the block.',
  }),
});

const LogLineRef = builder.prismaObject('LogLine', {
  description: 'One line of the log of a block run.',
  authScopes: forViewers,
  fields: (t) => ({
    id: t.id({
      description: 'For instance `log_900`; lines of a run are ordered by it.',
      resolve: (line) => formatId('log', line.id),
    }),
    at: t.expose('at', { type: 'DateTime', description: 'When it was printed.' }),
    level: t.expose('level', { type: LogLevelRef, description: 'How much it matters.' }),
    stream: t.expose('stream', { type: LogStreamRef, description: 'Where it came from.' }),
    message: t.exposeString('message', { description: 'The line. Plain text: escape it before showing it as HTML.' }),
    pipelineRunId: t.id({ description: 'The run.', resolve: (line) => formatId('run', line.pipelineRunId) }),
    blockRunId: t.id({
      nullable: true,
      description: 'The block run, where the line is about one.',
      resolve: (line) => (line.blockRunId === null ? null : formatId('blk', line.blockRunId)),
    }),
    blockUuid: t.exposeString('blockUuid', { nullable: true, description: 'Its block.' }),
    attempt: t.exposeInt('attempt', { nullable: true, description: 'The attempt of the block run.' }),
  }),
});

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

const LogFilter = builder.inputType('LogFilter', {
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

type LogFilterInput = typeof LogFilter.$inferInput | null | undefined;

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

function logLineCriteria(filter: LogFilterInput): Omit<LogLineCriteria, 'of'> {
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
