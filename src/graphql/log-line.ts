import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { formatId } from './ids.ts';

/** What blocks print, and what is said about running them. */

export const LogLevelRef = builder.enumType('LogLevel', {
  description: 'How much a log line matters.',
  values: enumValues(['debug', 'info', 'warning', 'error'], {
    debug: 'For whoever looks for a mistake.',
    info: 'What happens.',
    warning: 'Perhaps not as meant.',
    error: 'Something went wrong.',
  }),
});

export const LogStreamRef = builder.enumType('LogStream', {
  description: 'Where a log line came from.',
  values: enumValues(['stdout', 'stderr', 'logger', 'system'], {
    stdout: 'The block printed it.',
    stderr: 'The block printed it to standard error.',
    logger: "The block's logger.",
    system: 'Penstock itself, about the block.',
  }),
});

export const LogLineRef = builder.prismaObject('LogLine', {
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
