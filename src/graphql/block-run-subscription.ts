import type { BlockRunStatus } from '../domain/lifecycle.ts';
import { BlockRunRef } from './block-run.ts';
import { builder, forViewers } from './builder.ts';
import { eventCriteria } from './event-criteria.ts';
import { IdFilter, StringFilter } from './filters.ts';
import { formatId } from './ids.ts';
import { type CursoredEvent, reasonOf } from './run-event.ts';
import { BlockRunStatusRef, StatusReasonRef } from './status.ts';
import {
  afterArgument,
  CursorExpiredRef,
  LaggedRef,
  messageTypeName,
  openStream,
  type StreamMessage,
  SubscribedRef,
} from './streams.ts';

const BlockRunStatusChangeFilter = builder.inputType('BlockRunStatusChangeFilter', {
  description: 'Which changes; everything given must hold.',
  fields: (t) => ({
    pipelineUuid: t.field({ type: StringFilter, description: 'The pipeline.' }),
    pipelineRunId: t.field({ type: IdFilter, description: 'The run.' }),
    blockUuid: t.field({ type: StringFilter, description: 'The block.' }),
    to: t.field({ type: [BlockRunStatusRef], description: 'The new status: one of these.' }),
  }),
});

const BlockRunStatusChangedRef = builder.objectRef<CursoredEvent>('BlockRunStatusChanged').implement({
  description: 'A block run moved to another status. Fold by `seq`: `blockRun` may be newer than `to`.',
  authScopes: forViewers,
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where the stream stands after it; for `after`.' }),
    seq: t.int({ description: 'Its number within its run.', resolve: ({ event }) => event.seq }),
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: ({ event }) => event.at }),
    from: t.field({
      type: BlockRunStatusRef,
      nullable: true,
      description: 'The status before; null for a block run that was just made.',
      resolve: ({ event }) => event.fromStatus as BlockRunStatus | null,
    }),
    to: t.field({
      type: BlockRunStatusRef,
      description: 'The status after.',
      resolve: ({ event }) => event.toStatus as BlockRunStatus,
    }),
    attempt: t.int({ description: 'The attempt of the block run.', resolve: ({ event }) => event.attempt ?? 0 }),
    runAttempt: t.int({ description: 'The attempt of the run.', resolve: ({ event }) => event.runAttempt }),
    reason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why.',
      resolve: ({ event }) => reasonOf(event),
    }),
    pipelineRunId: t.id({ description: 'The run.', resolve: ({ event }) => formatId('run', event.pipelineRunId) }),
    pipelineUuid: t.string({ description: 'Its pipeline.', resolve: ({ event }) => event.pipelineUuid }),
    blockRunId: t.id({
      description: 'The block run.',
      resolve: ({ event }) => formatId('blk', event.blockRunId ?? 0n),
    }),
    blockUuid: t.string({ description: 'Its block.', resolve: ({ event }) => event.blockUuid ?? '' }),
    blockRun: t.field({
      type: BlockRunRef,
      nullable: true,
      description: 'The block run as it is when this is sent, which may be newer than `to`; null when it was pruned.',
      resolve: ({ event }, _args, { loaders }) =>
        event.blockRunId === null ? null : loaders.blockRun.load(event.blockRunId),
    }),
  }),
});

const BlockRunStatusMessage = builder.unionType('BlockRunStatusMessage', {
  description: 'A message of `blockRunStatusChanged`.',
  types: [SubscribedRef, BlockRunStatusChangedRef, LaggedRef, CursorExpiredRef],
  resolveType: (message) => messageTypeName(message as StreamMessage, 'BlockRunStatusChanged'),
});

builder.subscriptionField('blockRunStatusChanged', (t) =>
  t.field({
    type: BlockRunStatusMessage,
    description: 'Every move of a block run to another status.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: BlockRunStatusChangeFilter, description: 'Which changes; all unless given.' }),
      ...afterArgument,
    },
    subscribe: (_root, { filter, after }, context) =>
      openStream(context, after, { ...eventCriteria(filter), kinds: ['block_status_changed'] }),
    resolve: (message) => message as never,
  }),
);
