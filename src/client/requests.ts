import type { TypedDocumentString } from '../generated/graphql/graphql.ts';
import type { Client } from './client.ts';
import { AccessDeniedError, ApiError, apiError, ServerUnreachableError } from './client-errors.ts';

type AnswerBody = {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: unknown } }[];
};

/** Sends queries and mutations by POST. */
export function createRequester(endpoint: URL, token: string | null): Client['request'] {
  return async <Result, Variables>(document: TypedDocumentString<Result, Variables>, variables: Variables) => {
    const response = await send(endpoint, token, { query: document.toString(), variables });
    const body = await readBody(response);
    if (response.status === 401 || response.status === 403) {
      throw new AccessDeniedError(body.errors?.[0]?.message ?? 'The server does not take this token.');
    }
    if (body.errors) throw apiError(body.errors);
    return body.data as Result;
  };
}

async function send(endpoint: URL, token: string | null, body: unknown): Promise<Response> {
  const headers = {
    accept: 'application/graphql-response+json',
    'content-type': 'application/json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  try {
    return await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch (error) {
    throw new ServerUnreachableError(endpoint.origin, error);
  }
}

async function readBody(response: Response): Promise<AnswerBody> {
  const text = await response.text();
  try {
    return JSON.parse(text) as AnswerBody;
  } catch {
    throw new ApiError(`The server answered ${response.status} without JSON: ${text.slice(0, 200)}`, null);
  }
}
