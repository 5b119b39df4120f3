/**
 * The one door. POST, GET, event streams and WebSockets all bring their operations here before anything is executed, because a rule that is
 * kept at one transport only is a rule that another transport breaks.
 */
import { createHash } from 'node:crypto';
import {
  BREAK,
  type DocumentNode,
  GraphQLError,
  getOperationAST,
  type OperationDefinitionNode,
  parse,
  validate,
  visit,
} from 'graphql';
import type { CachedDocument } from './document-cache.ts';
import { resumeAfter } from './last-event-id.ts';
import type { OperationRequest } from './operation-request.ts';
import type { OperationRoom } from './operation-room.ts';
import { presentErrors } from './present-errors.ts';
import { isPrototypeKey, readParams } from './read-params.ts';
import { reviseError } from './revise-error.ts';
import { canCarry } from './transport.ts';

/** An operation that passed every check and waits to be run. */
export type PreparedOperation = {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly operationName: string | null;
  readonly documentHash: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly request: OperationRequest;
  readonly mayIntrospect: boolean;
};

/** What to tell the client instead. `status` is for HTTP; `isWellFormed` when it was a GraphQL request at all. */
export type RefusedOperation = {
  readonly errors: readonly GraphQLError[];
  readonly status: number;
  readonly isWellFormed: boolean;
};

export type Preparation =
  | { readonly ok: true; readonly prepared: PreparedOperation }
  | { readonly ok: false; readonly refused: RefusedOperation };

/** Decides whether an operation may run, in this order: shape, tokens, limits, validity, kind, introspection. `json` is what the client sent. */
export function prepareOperation(room: OperationRoom, request: OperationRequest, json: unknown): Preparation {
  const read = readParams(json);
  if (!read.ok) return refuse([said(read.message, 'BAD_REQUEST')], { isWellFormed: false });
  const { query, operationName, variables } = read.params;
  const mayIntrospect = room.introspectingRoles.includes(request.principal.role);

  const known = room.documents.get(query);
  const document = known?.document ?? parseWithin(query, room.limits.maxTokens);
  if (document instanceof GraphQLError) return refuse([document]);

  // Cost depends on variables, so the limits are asked each time, also of a document we know.
  const excess = room.limits.check({
    schema: room.schema,
    document,
    operationName,
    variables,
    introspectionIsFree: mayIntrospect,
  });
  if (excess.length > 0) return refuse(excess);

  const documentHash = known?.hash ?? hashOf(query);
  const checked = known ?? check(room, document, documentHash);
  if (Array.isArray(checked)) {
    const operation = { operationName, documentHash };
    return refuse(presentErrors(checked, { request, operation, mayIntrospect, logger: room.logger }));
  }
  const cached = checked as CachedDocument;
  if (!known) room.documents.set(query, cached);

  const operation = getOperationAST(document, operationName);
  if (!operation) return refuse([unknownOperation(operationName)]);
  if (!canCarry(request.transport, operation.operation))
    return refuse([wrongTransport(operation.operation)], { status: 405 });
  if (cached.introspects && !mayIntrospect) return refuse([noIntrospection]);

  const prepared = { document, operation, operationName, documentHash, variables, request, mayIntrospect };
  return { ok: true, prepared: resumeAfter(prepared, room.schema) };
}

function parseWithin(query: string, maxTokens: number): DocumentNode | GraphQLError {
  try {
    return parse(query, { maxTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return withCode(error, 'GRAPHQL_PARSE_FAILED');
  }
}

/** Errors of a document by itself, whoever sends it; else what is worth remembering of it. */
function check(room: OperationRoom, document: DocumentNode, hash: string): CachedDocument | readonly GraphQLError[] {
  const errors = validate(room.schema, document, undefined, { maxErrors: 20 });
  if (errors.length > 0) return errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
  let introspects = false;
  let forbidden: string | null = null;
  visit(document, {
    Field: (field) => {
      introspects ||= field.name.value === '__schema' || field.name.value === '__type';
    },
    ObjectField: (field) => {
      if (!isPrototypeKey(field.name.value)) return undefined;
      forbidden = field.name.value;
      return BREAK;
    },
  });
  if (forbidden !== null) return [said(`"${forbidden}" may not be the name of a member of an object.`, 'BAD_REQUEST')];
  return { document, hash, introspects };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function said(message: string, code: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  return reviseError(error, { extensions: { code, ...error.extensions } });
}

function refuse(
  errors: readonly GraphQLError[],
  more: { readonly status?: number; readonly isWellFormed?: boolean } = {},
): Preparation {
  return { ok: false, refused: { errors, status: more.status ?? 400, isWellFormed: more.isWellFormed ?? true } };
}

function unknownOperation(name: string | null): GraphQLError {
  const message =
    name === null
      ? 'The document holds several operations, or none: say which one to run with `operationName`.'
      : `The document holds no operation named "${name}".`;
  return said(message, 'OPERATION_RESOLUTION_FAILURE');
}

function wrongTransport(kind: string): GraphQLError {
  const message =
    kind === 'mutation'
      ? 'A mutation needs a POST with `content-type: application/json`, or a WebSocket.'
      : 'A subscription needs a WebSocket, or a request with `accept: text/event-stream`.';
  return said(message, 'WRONG_TRANSPORT');
}

const noIntrospection = said('Your role may not read the schema.', 'FORBIDDEN');
