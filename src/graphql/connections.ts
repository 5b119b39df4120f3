import type { ObjectRef } from '@pothos/core';
import { builder, forViewers } from './builder.ts';
import { type CappedCount, type Connection, type PageSize, standardPage } from './paging.ts';

/** The types around a page: connection, edge and page info, the same for every list. */

type Types = typeof builder.$inferSchemaTypes;

const PageInfo = builder.objectRef<Connection<unknown>>('PageInfo').implement({
  description: 'Where a page stands in its list.',
  authScopes: forViewers,
  fields: (t) => ({
    hasNextPage: t.boolean({
      description: 'Whether something follows this page. Exact.',
      resolve: (page) => page.hasNextPage(),
    }),
    hasPreviousPage: t.boolean({
      description: 'Whether something stands before this page. Exact.',
      resolve: (page) => page.hasPreviousPage(),
    }),
    startCursor: t.string({
      nullable: true,
      description: 'The cursor of the first edge: pass it as `before`, with `last`, for the page before.',
      resolve: (page) => page.edges[0]?.cursor ?? null,
    }),
    endCursor: t.string({
      nullable: true,
      description: 'The cursor of the last edge: pass it as `after`, with `first`, for the next page.',
      resolve: (page) => page.edges.at(-1)?.cursor ?? null,
    }),
  }),
});

export type CountedConnection<Node> = Connection<Node> & { readonly count: () => Promise<CappedCount> };

/** `NameConnection` and `NameEdge`. `things` completes "A page of …". */
export function connectionType<Node, Shape extends Connection<Node> = Connection<Node>>(
  name: string,
  things: string,
  nodeType: ObjectRef<Types, Node>,
) {
  const edge = builder.objectRef<Connection<Node>['edges'][number]>(`${name}Edge`).implement({
    description: `One of the ${things} of a page, and its place.`,
    authScopes: forViewers,
    fields: (t) => ({
      cursor: t.exposeString('cursor', { description: 'Its place in the list, for `after` and `before`. Opaque.' }),
      node: t.field({ type: nodeType, description: 'The thing itself.', resolve: (parent) => parent.node as never }),
    }),
  });
  return builder.objectRef<Shape>(`${name}Connection`).implement({
    description: `A page of ${things}.`,
    authScopes: forViewers,
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        description: 'The page, each with its cursor.',
        resolve: (page) => [...page.edges],
      }),
      nodes: t.field({
        type: [nodeType],
        description: 'The page without cursors.',
        resolve: (page) => page.edges.map((one) => one.node) as never,
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: 'Where the page stands in the list.',
        resolve: (page) => page,
      }),
    }),
  });
}

/** A connection that also counts. The count is made only when it is asked for. */
export function countedConnectionType<Node>(name: string, things: string, nodeType: ObjectRef<Types, Node>) {
  const connection = connectionType<Node, CountedConnection<Node>>(name, things, nodeType);
  builder.objectFields(connection, (t) => ({
    totalCount: t.int({
      description: `How many ${things} the whole list has. Exact up to 10,000; see totalCountIsExact.`,
      resolve: async (page) => (await page.count()).totalCount,
    }),
    totalCountIsExact: t.boolean({
      description: 'False when there are more than 10,000, and counting stopped there.',
      resolve: async (page) => (await page.count()).isExact,
    }),
  }));
  return connection;
}

/** The four arguments of a list that can be read from both ends. */
export function pageArguments(size: PageSize = standardPage) {
  return builder.args((t) => ({
    first: t.int({ description: `How many from the start: ${size.default} unless given, at most ${size.max}.` }),
    after: t.string({ description: 'With `first`: what follows this cursor.' }),
    last: t.int({ description: `How many from the end, at most ${size.max}.` }),
    before: t.string({ description: 'With `last`: what stands before this cursor.' }),
  }));
}
