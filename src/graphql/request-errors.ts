import { GraphQLError } from 'graphql';

/**
 * Refusals of a whole query, as top-level errors with `extensions.code`. Refused mutations are data instead: refusals.ts.
 */
export type RequestErrorCode = 'INVALID_CURSOR' | 'INVALID_INPUT' | 'FORBIDDEN' | 'TOO_EXPENSIVE' | 'OUTPUT_GONE';

function requestError(code: RequestErrorCode, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

/** An argument that can't be meant: say which one, what is wrong with it and what would be right. */
export function invalidInput(message: string): GraphQLError {
  return requestError('INVALID_INPUT', message);
}

/** A cursor that this list or stream did not give out. Never answered with an empty page: that would look like the end. */
export function invalidCursor(message: string): GraphQLError {
  return requestError('INVALID_CURSOR', message);
}

export function forbidden(message: string): GraphQLError {
  return requestError('FORBIDDEN', message);
}

export function tooExpensive(message: string): GraphQLError {
  return requestError('TOO_EXPENSIVE', message);
}

/** Data that a block stored and that is not in the output store any more. */
export function outputGone(message: string): GraphQLError {
  return requestError('OUTPUT_GONE', message);
}
