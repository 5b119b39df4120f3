import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import type { Json, JsonObject } from '../domain/pipeline.ts';
import type PrismaTypes from '../generated/pothos-types.ts';
import { getDatamodel } from '../generated/pothos-types.ts';
import { hasRole } from './access.ts';
import type { GraphQLContext } from './context.ts';
import { forbidden } from './request-errors.ts';

/**
 * The builder that every noun adds itself to. Fields are non-null unless they say otherwise, arguments are optional
 * unless they say otherwise, and nothing is visible without a role: see access.ts.
 */
export const builder = new SchemaBuilder<{
  Context: GraphQLContext;
  PrismaTypes: PrismaTypes;
  DefaultFieldNullability: false;
  AuthScopes: { viewer: boolean; operator: boolean; admin: boolean };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: Json; Output: unknown };
    JSONObject: { Input: JsonObject; Output: unknown };
  };
}>({
  plugins: [ScopeAuthPlugin, PrismaPlugin],
  defaultFieldNullability: false,
  prisma: { client: (context) => context.database.prisma, dmmf: getDatamodel(), exposeDescriptions: false },
  scopeAuth: {
    // Rights are looked at when somebody subscribes, and again for each event.
    authorizeOnSubscribe: true,
    authScopes: ({ principal }) => ({
      viewer: hasRole(principal, 'VIEWER'),
      operator: hasRole(principal, 'OPERATOR'),
      admin: hasRole(principal, 'ADMIN'),
    }),
    unauthorizedError: (_parent, context, info) =>
      forbidden(
        context.principal === null
          ? `${info.parentType.name}.${info.fieldName} can't be read without signing in.`
          : `${info.parentType.name}.${info.fieldName} is not open to the role ${context.principal.role}.`,
      ),
  },
});

/** For types that everybody who is signed in may read. */
export const forViewers = { viewer: true } as const;

builder.queryType({
  description: 'Everything that can be read. An unknown id is null; a bad argument is an error with `extensions.code`.',
});
builder.mutationType({
  description:
    'Everything that can be done. Expected refusals are part of the answer (`__typename`, or `error`); top-level errors are for malformed requests and bugs.',
});
builder.subscriptionType({
  description:
    'Everything that can be followed live. Delivery is at least once and in `seq` order within a run; every message carries a `cursor`, and `after` continues from it without a gap.',
});
