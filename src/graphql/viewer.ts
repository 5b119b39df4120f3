import { type Action, actions, may, type Principal, type Role } from './access.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { forbidden } from './request-errors.ts';

const RoleRef = builder.enumType('Role', {
  description: 'What somebody may do; each role may do everything that the one before it may.',
  values: {
    VIEWER: { description: 'Reads.' },
    OPERATOR: { description: 'Also triggers, retries and cancels runs, and switches triggers on and off.' },
    ADMIN: { description: 'Also edits triggers and tokens, and deletes.' },
  } satisfies Record<Role, object>,
});

const ActionRef = builder.enumType('Action', {
  description: 'Something that a role may allow.',
  values: enumValues(actions, {
    read: 'See pipelines, runs, logs and outputs.',
    trigger: 'Start runs.',
    retry: 'Retry runs.',
    cancel: 'Cancel runs.',
    delete_runs: 'Delete runs.',
    switch_triggers: 'Switch triggers on and off.',
    edit_triggers: 'Create, change and delete triggers.',
    backfill: 'Start and cancel backfills.',
    manage_tokens: 'Create and revoke API tokens.',
    manage_server: "Change the server's settings.",
  } satisfies Record<Action, string>),
});

const ViewerRef = builder.objectRef<Principal>('Viewer').implement({
  description: 'Who is asking.',
  authScopes: forViewers,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As it appears as the `actor` of what they do.' }),
    role: t.expose('role', { type: RoleRef, description: 'What they may do.' }),
    can: t.boolean({
      description: 'Whether they may do something, so that a page can leave out what would be refused.',
      args: {
        action: t.arg({ type: ActionRef, required: true, description: 'What.' }),
        pipelineUuid: t.arg.string({ description: 'On which pipeline; null for any.' }),
      },
      resolve: (principal, { action }) => may(principal, action),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerRef,
    description: 'Who is asking.',
    authScopes: forViewers,
    resolve: (_root, _args, { principal }) => {
      if (principal === null) throw forbidden('Nobody is signed in.');
      return principal;
    },
  }),
);
