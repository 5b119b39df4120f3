import type { PipelineRunStatus } from '../domain/lifecycle.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { eventCriteria } from './event-criteria.ts';
import { filterStream } from './filter-stream.ts';
import { IdFilter, StringFilter, textCriteria } from './filters.ts';
import { formatId } from './ids.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { type CursoredEvent, reasonOf } from './run-event.ts';
import { createRunTags } from './run-tags.ts';
import { PipelineRunStatusRef, StatusReasonRef } from './status.ts';
import {
  afterArgument,
  CursorExpiredRef,
  LaggedRef,
  messageTypeName,
  openStream,
  type StreamMessage,
  SubscribedRef,
} from './streams.ts';
import { meetsTags } from './text-predicate.ts';

const PipelineRunStatusChangeFilter = builder.inputType('PipelineRunStatusChangeFilter', {
  description: 'Which changes; everything given must hold.',
  fields: (t) => ({
    pipelineUuid: t.field({ type: StringFilter, description: 'The pipeline.' }),
    pipelineRunId: t.field({ type: IdFilter, description: 'The run.' }),
    tag: t.field({ type: StringFilter, description: "A tag of the run's pipeline." }),
    to: t.field({ type: [PipelineRunStatusRef], description: 'The new status: one of these.' }),
  }),
});

const PipelineRunStatusChangedRef = builder.objectRef<CursoredEvent>('PipelineRunStatusChanged').implement({
  description:
    'A pipeline run was made, or moved to another status. Fold by `seq`: `pipelineRun` may be newer than `to`.',
  authScopes: forViewers,
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where the stream stands after it; for `after`.' }),
    seq: t.int({ description: 'Its number within its run.', resolve: ({ event }) => event.seq }),
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: ({ event }) => event.at }),
    from: t.field({
      type: PipelineRunStatusRef,
      nullable: true,
      description: 'The status before; null for a run that was just made.',
      resolve: ({ event }) => event.fromStatus as PipelineRunStatus | null,
    }),
    to: t.field({
      type: PipelineRunStatusRef,
      description: 'The status after.',
      resolve: ({ event }) => event.toStatus as PipelineRunStatus,
    }),
    runAttempt: t.int({ description: 'The attempt of the run.', resolve: ({ event }) => event.runAttempt }),
    reason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why.',
      resolve: ({ event }) => reasonOf(event),
    }),
    pipelineRunId: t.id({ description: 'The run.', resolve: ({ event }) => formatId('run', event.pipelineRunId) }),
    pipelineUuid: t.string({ description: 'Its pipeline.', resolve: ({ event }) => event.pipelineUuid }),
    pipelineRun: t.field({
      type: PipelineRunRef,
      nullable: true,
      description: 'The run as it is when this is sent, which may be newer than `to`; null when it was pruned.',
      resolve: ({ event }, _args, { loaders }) => loaders.pipelineRun.load(event.pipelineRunId),
    }),
  }),
});

const PipelineRunStatusMessage = builder.unionType('PipelineRunStatusMessage', {
  description: 'A message of `pipelineRunStatusChanged`.',
  types: [SubscribedRef, PipelineRunStatusChangedRef, LaggedRef, CursorExpiredRef],
  resolveType: (message) => messageTypeName(message as StreamMessage, 'PipelineRunStatusChanged'),
});

builder.subscriptionField('pipelineRunStatusChanged', (t) =>
  t.field({
    type: PipelineRunStatusMessage,
    description: 'Every new pipeline run, and every move of one to another status.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: PipelineRunStatusChangeFilter, description: 'Which changes; all unless given.' }),
      ...afterArgument,
    },
    subscribe: (_root, { filter, after }, context) => open(context, filter, after),
    resolve: (message) => message as never,
  }),
);

async function open(
  context: GraphQLContext,
  filter: typeof PipelineRunStatusChangeFilter.$inferInput | null | undefined,
  after: string | null | undefined,
) {
  const criteria = { ...eventCriteria(filter), kinds: ['run_created', 'run_status_changed'] as const };
  const tag = filter?.tag && textCriteria('tag', filter.tag);
  const stream = await openStream(context, after, criteria);
  if (!tag) return stream;
  // An event doesn't name the tags of its run; they never change, so each run's are asked for once.
  const tagsOf = createRunTags(context.database);
  return filterStream(stream, async (event) => meetsTags(tag, await tagsOf(event.pipelineRunId)));
}
