import { buildSchema, GraphQLError, type GraphQLFieldResolver, type GraphQLSchema } from 'graphql';
import type { OperationRequest } from '../../../src/server/operation-request.ts';
import type { Fountain } from './fountain.ts';

/** What happened to the sample schema from outside. */
export type SampleWorld = {
  readonly fountain: Fountain;
  bumps: number;
  contexts: OperationRequest[];
  gate: Promise<void>;
};

export const secret = 'postgres://penstock:hunter2@db/internal';

/** A schema small enough to read at a glance, with one field for each thing a server must get right. */
export function createSampleSchema(world: SampleWorld): GraphQLSchema {
  const schema = buildSchema(`
    scalar JSON
    enum Colour { RED GREEN }
    type Query {
      hello(name: String): String!
      colour(is: Colour!): String!
      echo(json: JSON): JSON
      me: String!
      fails: String
      refuses: String
      never: String
      self: Query
    }
    type Mutation { bump: Int! stall: String }
    type Tick { cursor: String! n: Int! text: String! failing: String }
    type Subscription {
      ticks(after: String): Tick!
      silence: Tick!
      cannotOpen: Tick!
      gated: Tick!
      breaks: Tick!
    }
  `);
  type Context = { readonly request: OperationRequest };
  const resolve = (
    type: string,
    field: string,
    resolver: GraphQLFieldResolver<unknown, Context>,
    source?: GraphQLFieldResolver<unknown, Context>,
  ) => {
    const found = (
      schema.getType(type) as { getFields(): Record<string, { resolve?: unknown; subscribe?: unknown }> }
    ).getFields()[field];
    if (!found) throw new Error(`no ${type}.${field}`);
    found.resolve = resolver;
    if (source) found.subscribe = source;
  };

  resolve('Query', 'hello', (_, { name }) => `hello ${name ?? 'world'}`);
  resolve('Query', 'colour', (_, args) => String(args.is));
  resolve('Query', 'echo', (_, { json }) => json);
  resolve(
    'Query',
    'me',
    (_, __, { request }) =>
      `${request.principal.name} ${request.principal.role} ${request.isFromBrowser ? 'browser' : 'program'}`,
  );
  resolve('Query', 'fails', () => {
    throw new Error(`could not connect to ${secret}`);
  });
  resolve('Query', 'refuses', () => {
    throw new GraphQLError('That is not a good idea.', { extensions: { code: 'INVALID_INPUT' } });
  });
  resolve('Query', 'never', () => new Promise(() => undefined));
  resolve('Query', 'self', () => ({}));
  resolve('Mutation', 'stall', () => new Promise(() => {}));
  resolve('Mutation', 'bump', () => {
    world.bumps += 1;
    return world.bumps;
  });
  resolve('Tick', 'failing', () => {
    throw new Error(secret);
  });
  resolve(
    'Subscription',
    'ticks',
    (tick) => tick,
    (_, { after }) => world.fountain.open(after ?? null),
  );
  resolve(
    'Subscription',
    'silence',
    (tick) => tick,
    () => world.fountain.open(null),
  );
  resolve(
    'Subscription',
    'gated',
    (tick) => tick,
    async () => {
      await world.gate;
      return world.fountain.open(null);
    },
  );
  resolve(
    'Subscription',
    'cannotOpen',
    (tick) => tick,
    () => {
      throw new Error(secret);
    },
  );
  resolve(
    'Subscription',
    'breaks',
    (tick) => tick,
    async function* () {
      yield { cursor: '1', n: 1, text: 'the last' };
      throw new Error(secret);
    },
  );
  return schema;
}
