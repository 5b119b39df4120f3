import { builder, forViewers } from './builder.ts';
import { eventCriteria } from './event-criteria.ts';
import { IdFilter, StringFilter } from './filters.ts';
import { RunEventKindRef, RunEventRef } from './run-event.ts';
import {
  afterArgument,
  CursorExpiredRef,
  LaggedRef,
  messageTypeName,
  openStream,
  type StreamMessage,
  SubscribedRef,
} from './streams.ts';

const RunEventFilter = builder.inputType('RunEventFilter', {
  description: 'Which events; everything given must hold.',
  fields: (t) => ({
    pipelineUuid: t.field({ type: StringFilter, description: 'The pipeline.' }),
    pipelineRunId: t.field({ type: IdFilter, description: 'The run.' }),
    blockUuid: t.field({ type: StringFilter, description: 'The block; events that are about no block are left out.' }),
    kind: t.field({ type: [RunEventKindRef], description: 'What it is about: one of these.' }),
  }),
});

const RunEventMessage = builder.unionType('RunEventMessage', {
  description: 'A message of `runEvents`.',
  types: [SubscribedRef, RunEventRef, LaggedRef, CursorExpiredRef],
  resolveType: (message) => messageTypeName(message as StreamMessage, 'RunEvent'),
});

builder.subscriptionField('runEvents', (t) =>
  t.field({
    type: RunEventMessage,
    description: 'The history of runs as it is written, every entry of it.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: RunEventFilter, description: 'Which events; all unless given.' }),
      ...afterArgument,
    },
    subscribe: (_root, { filter, after }, context) => openStream(context, after, eventCriteria(filter)),
    resolve: (message) => message as never,
  }),
);
