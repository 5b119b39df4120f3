import type { DocumentNode, GraphQLError, GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import type { Role } from '../graphql/access.ts';
import type { DocumentCache } from './document-cache.ts';
import type { OperationRequest } from './operation-request.ts';

/** Everything an operation needs from the server it runs in; one per server, the same for all transports. */
export type OperationRoom = {
  readonly schema: GraphQLSchema;
  readonly createContext: CreateContext;
  readonly limits: DocumentLimits;
  readonly documents: DocumentCache;
  readonly introspectingRoles: readonly Role[];
  /** How long a query, or the opening of a subscription, may take; a mutation may take three times as long. */
  readonly deadlineMs: number;
  readonly logger: Logger;
};

/**
 * Makes the GraphQL context of one execution: of a query or mutation once, of a subscription once to open it and then once per event,
 * so that what a context caches never outlives the moment it describes.
 */
export type CreateContext = (request: OperationRequest, document: DocumentNode) => object | Promise<object>;

/** How large a document may be. Called before validation, so a check must stand any document that parses. */
export type DocumentLimits = {
  /** Tokens of a document, counted while it is parsed. */
  readonly maxTokens: number;
  /** What is too much about a document, if anything; `introspectionIsFree` for callers who may read the schema. */
  readonly check: (asked: {
    readonly schema: GraphQLSchema;
    readonly document: DocumentNode;
    readonly operationName: string | null;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly introspectionIsFree: boolean;
  }) => readonly GraphQLError[];
};
