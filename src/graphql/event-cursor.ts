import { builder, forViewers } from './builder.ts';

builder.queryField('eventCursor', (t) =>
  t.string({
    description:
      'A position in the event log, read before the operation executes: everything this answer shows is at least as new. Pass it as `after` to subscribe without a gap.',
    authScopes: forViewers,
    resolve: (_root, _args, { eventCursor }) => {
      if (eventCursor === null) throw new Error('The event cursor was not read before the operation.');
      return eventCursor;
    },
  }),
);
