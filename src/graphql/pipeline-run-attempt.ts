import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { PipelineRunStatusRef, StatusReasonRef, statusReason } from './status.ts';

export const RetryModeRef = builder.enumType('RetryMode', {
  description: 'What a retry runs again.',
  values: enumValues(['incomplete', 'from_block', 'all'], {
    incomplete: 'Block runs that are not completed run again, in the same run.',
    from_block: 'The block named by fromBlock and everything downstream of it run again, in the same run.',
    all: 'A new run with the same logical date and variables.',
  }),
});

export const PipelineRunAttemptRef = builder.prismaObject('PipelineRunAttempt', {
  description: 'One try of a run in place: the first, and one for each retry of incomplete blocks or from a block.',
  authScopes: forViewers,
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1 for the first.' }),
    mode: t.expose('mode', { type: RetryModeRef, nullable: true, description: 'Of a retry; null for the first try.' }),
    fromBlock: t.exposeString('fromBlock', { nullable: true, description: 'Of a retry from a block: which.' }),
    actor: t.exposeString('actor', { nullable: true, description: 'Who asked for it.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'What they said about it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it began.' }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    status: t.expose('status', { type: PipelineRunStatusRef, description: 'Where it stands, or how it ended.' }),
    statusReason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why.',
      resolve: (attempt) => statusReason(attempt),
    }),
  }),
});
