import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import type { OperationRequest } from './operation-request.ts';
import { isOutage } from './outage.ts';
import { reviseError } from './revise-error.ts';

/** What the log says about the operation in which something unexpected happened. Never its variables: they carry people's secrets. */
export type OperationName = { readonly operationName: string | null; readonly documentHash: string | null };

/**
 * Errors as a client may see them. What was said on purpose (a GraphQLError) passes; anything else is a bug or an outage: the log gets all of it,
 * the client that the database is away, or a request id. Suggestions of names ("Did you mean …?") are left out for those who may not read the schema.
 */
export function presentErrors(
  errors: readonly GraphQLError[],
  to: {
    readonly request: OperationRequest;
    readonly operation: OperationName;
    readonly mayIntrospect: boolean;
    readonly logger: Logger;
  },
): readonly GraphQLError[] {
  return errors.map((error) => {
    const unexpected = unexpectedCause(error);
    if (unexpected === null) return to.mayIntrospect ? error : withoutSuggestions(error);
    to.logger.error(
      { err: unexpected, requestId: to.request.requestId, ...to.operation, path: error.path?.join('.') },
      'an operation failed unexpectedly',
    );
    return isOutage(unexpected) ? unavailable(error) : masked(error, to.request.requestId);
  });
}

/** The thing that was thrown and was not a GraphQLError, however deep it was wrapped; null for an error that was said on purpose. */
function unexpectedCause(error: Error): Error | null {
  if (!(error instanceof GraphQLError)) return error;
  return error.originalError ? unexpectedCause(error.originalError) : null;
}

function masked(error: GraphQLError, requestId: string): GraphQLError {
  return reviseError(error, {
    message: `Something went wrong on our side. The server's log explains it under request id ${requestId}.`,
    extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
  });
}

function unavailable(error: GraphQLError): GraphQLError {
  return reviseError(error, {
    message:
      'The database can not be reached at the moment. Try again shortly; of a mutation, look first whether it has taken effect, or repeat it with the same idempotencyKey.',
    extensions: { code: 'UNAVAILABLE' },
  });
}

function withoutSuggestions(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean [^?]*\?/g, '');
  return message === error.message ? error : reviseError(error, { message });
}
