import { InvalidCursorError } from '../events/cursor.ts';
import type { EventStream, FeedMessage } from '../events/event-feed.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { type EventCriteria, eventPredicate } from './event-criteria.ts';
import { invalidCursor } from './request-errors.ts';

/** What all subscriptions to events share: the messages around the events, and how a stream is opened. */

export type StreamMessage = FeedMessage;
type MessageOf<Type extends FeedMessage['type']> = Extract<FeedMessage, { readonly type: Type }>;

export const SubscribedRef = builder.objectRef<MessageOf<'subscribed'>>('Subscribed').implement({
  description: 'Always the first message: from this cursor on nothing will be missed.',
  authScopes: forViewers,
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where the stream begins; for `after`.' }),
  }),
});

export const LaggedRef = builder.objectRef<MessageOf<'lagged'>>('Lagged').implement({
  description: 'The subscriber fell behind; what follows comes from the event log and misses nothing.',
  authScopes: forViewers,
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where the stream goes on; for `after`.' }),
    skippedLive: t.exposeInt('skippedLive', {
      description: 'How many events were taken out of the live queue; all of them follow.',
    }),
  }),
});

export const CursorExpiredRef = builder.objectRef<MessageOf<'expired'>>('CursorExpired').implement({
  description:
    '`after` is older than what is kept, or from before the database was restored: something was missed. Everything from `resumesAt` follows; read the present state with a query.',
  authScopes: forViewers,
  fields: (t) => ({
    oldestCursor: t.exposeString('oldestCursor', { description: 'The oldest position that can be replayed from.' }),
    resumesAt: t.exposeString('resumesAt', { description: 'Where the stream goes on; for `after`.' }),
  }),
});

/** The type that shows a message: `event` is that of the events of this subscription. */
export function messageTypeName<Event extends string>(message: FeedMessage, event: Event) {
  switch (message.type) {
    case 'subscribed':
      return 'Subscribed';
    case 'lagged':
      return 'Lagged';
    case 'expired':
      return 'CursorExpired';
    case 'event':
      return event;
  }
}

export const afterArgument = builder.args((t) => ({
  after: t.string({
    description:
      'Where a subscription, or the query before it (`eventCursor`), left off: what was missed since is replayed, then it goes on live. From now unless given.',
  }),
}));

/** Opens a stream of the events that meet the criteria; throws INVALID_CURSOR when `after` is not a cursor. */
export async function openStream(
  { feed }: GraphQLContext,
  after: string | null | undefined,
  criteria: EventCriteria,
): Promise<EventStream> {
  const among = criteria.pipelineRunIds?.in;
  const pipelineRunId = among?.length === 1 ? (among[0] ?? null) : null;
  try {
    return await feed.open({
      after: after ?? null,
      pipelineRunId,
      kinds: criteria.kinds,
      filter: eventPredicate(criteria),
    });
  } catch (error) {
    if (error instanceof InvalidCursorError) throw invalidCursor(error.message);
    throw error;
  }
}
