/**
 * The one door. POST, GET, event streams and WebSockets all bring their operations here before anything is executed, because a rule that is
 * kept at one transport only is a rule that another transport breaks.
 */
import {
  type DocumentNode,
  GraphQLError,
  getOperationAST,
  type OperationDefinitionNode,
  type OperationTypeNode,
} from 'graphql';
import { resumeAfter } from './last-event-id.ts';
import type { OperationParams, OperationRequest } from './operation-request.ts';
import type { OperationRoom } from './operation-room.ts';
import { parseDocument } from './parse-document.ts';
import { presentErrors } from './present-errors.ts';
import { readParams } from './read-params.ts';
import { canCarry } from './transport.ts';
import { hashOf, validateDocument } from './validate-document.ts';

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

/**
 * Decides whether an operation may run: shape, size, limits, validity, kind, introspection, in this order. `json` is what the client sent.
 * Never throws: a bug here refuses the one operation, masked, and not the connection with all its others.
 */
export function prepareOperation(room: OperationRoom, request: OperationRequest, json: unknown): Preparation {
  const read = readParams(json);
  if (!read.ok) return refuse([said(read.message, 'BAD_REQUEST')], { isWellFormed: false });
  const mayIntrospect = room.introspectingRoles.includes(request.principal.role);
  const present = (errors: readonly GraphQLError[]) => {
    const operation = { operationName: read.params.operationName, documentHash: hashOf(read.params.query) };
    return presentErrors(errors, { request, operation, mayIntrospect, logger: room.logger });
  };
  try {
    const decided = decide(room, request, read.params, mayIntrospect);
    if (decided.ok) return { ok: true, prepared: resumeAfter(decided.prepared, room.schema) };
    return refuse(present(decided.refused.errors), decided.refused);
  } catch (error) {
    const originalError = error instanceof Error ? error : new Error(String(error));
    return refuse(present([new GraphQLError('', { originalError })]), { status: 500, isWellFormed: false });
  }
}

function decide(
  room: OperationRoom,
  request: OperationRequest,
  { query, operationName, variables }: OperationParams,
  mayIntrospect: boolean,
): Preparation {
  const known = room.documents.get(query);
  const document = known?.document ?? parseDocument(query, room.limits.maxTokens);
  if (document instanceof GraphQLError) return refuse([document]);

  // Before validation, whose own work a large document makes expensive; and each time, for cost depends on variables.
  const asked = { schema: room.schema, document, operationName, variables, introspectionIsFree: mayIntrospect };
  const excess = room.limits.check(asked);
  if (excess.length > 0) return refuse(excess);

  const validity = known ? { ok: true as const, document: known } : validateDocument(room.schema, query, document);
  if (!validity.ok) return refuse(validity.errors);
  if (!known) room.documents.set(query, validity.document);

  const operation = getOperationAST(document, operationName);
  if (!operation) return refuse([unknownOperation(operationName)]);
  const kind = operation.operation;
  if (!canCarry(request.transport, kind)) return refuse([wrongTransport(kind)], { status: 405 });
  if (validity.document.introspects && !mayIntrospect) return refuse([noIntrospection]);

  const { hash } = validity.document;
  return {
    ok: true,
    prepared: { document, operation, operationName, documentHash: hash, variables, request, mayIntrospect },
  };
}

function refuse(
  errors: readonly GraphQLError[],
  how: { readonly status?: number; readonly isWellFormed?: boolean } = {},
): Preparation {
  return { ok: false, refused: { errors, status: how.status ?? 400, isWellFormed: how.isWellFormed ?? true } };
}

function said(message: string, code: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

function unknownOperation(name: string | null): GraphQLError {
  const message =
    name === null
      ? 'The document holds several operations, or none: say which one to run with `operationName`.'
      : `The document holds no operation named "${name}".`;
  return said(message, 'OPERATION_RESOLUTION_FAILURE');
}

function wrongTransport(kind: OperationTypeNode): GraphQLError {
  const message =
    kind === 'mutation'
      ? 'A mutation needs a POST with `content-type: application/json`, or a WebSocket.'
      : 'A subscription needs a WebSocket, or a request with `accept: text/event-stream`.';
  return said(message, 'WRONG_TRANSPORT');
}

const noIntrospection = said('Your role may not read the schema.', 'FORBIDDEN');
