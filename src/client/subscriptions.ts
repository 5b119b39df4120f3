import type { FormattedExecutionResult } from 'graphql-ws';
import { createClient as createSocketClient } from 'graphql-ws/client';
import type { TypedDocumentString } from '../generated/graphql/graphql.ts';
import type { Client } from './client.ts';
import { AccessDeniedError, apiError, ServerUnreachableError } from './client-errors.ts';

const firstWaitMs = 100;
const longestWaitMs = 5_000;
const refused = 4403;

/** Follows subscriptions over one WebSocket, which is opened for the first of them and closed after the last. */
export function createSubscriber(
  endpoint: URL,
  token: string | null,
  reconnects: number,
): Pick<Client, 'subscribe' | 'close'> {
  const address = new URL(endpoint);
  address.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';
  const sockets = createSocketClient({
    url: address.href,
    ...(token === null ? {} : { connectionParams: { token } }),
    retryAttempts: reconnects,
    shouldRetry: (problem) => !isRefusal(problem),
    retryWait: (retries) => wait(Math.min(longestWaitMs, firstWaitMs * 2 ** retries) * (0.5 + Math.random())),
  });

  return {
    subscribe: <Result, Variables>(document: TypedDocumentString<Result, Variables>, variables: Variables) => {
      // graphql-ws sends the payload anew at each reconnect: what is written here then takes up the stream where it was.
      const resumable: Record<string, unknown> = { ...(variables as object) };
      const results = sockets.iterate<Result>({ query: document.toString(), variables: resumable });
      const iterator: AsyncIterableIterator<Result> = {
        next: async () => {
          const result = await results.next().catch((problem: unknown) => {
            throw explain(problem, endpoint);
          });
          if (result.done) return { done: true, value: undefined };
          const data = dataOf(result.value);
          const cursor = cursorOf(data);
          if (cursor !== null) resumable.after = cursor;
          return { done: false, value: data };
        },
        return: async () => {
          await results.return?.();
          return { done: true, value: undefined };
        },
        [Symbol.asyncIterator]: () => iterator,
      };
      return iterator;
    },
    close: async () => sockets.dispose(),
  };
}

function dataOf<Result>(result: FormattedExecutionResult<Result, unknown>): Result {
  if (result.errors) throw apiError(result.errors);
  return result.data as Result;
}

/** Where a message stands: the `cursor` of its only field, or where an expired cursor resumes. */
function cursorOf(data: unknown): string | null {
  const [message] = Object.values((data ?? {}) as Record<string, unknown>);
  const { cursor, resumesAt } = (message ?? {}) as { readonly cursor?: unknown; readonly resumesAt?: unknown };
  const position = cursor ?? resumesAt;
  return typeof position === 'string' ? position : null;
}

function explain(problem: unknown, endpoint: URL): Error {
  if (Array.isArray(problem)) return apiError(problem);
  if (isRefusal(problem)) return new AccessDeniedError('The server does not take this token.');
  return new ServerUnreachableError(endpoint.origin, problem);
}

function isRefusal(problem: unknown): boolean {
  return typeof problem === 'object' && problem !== null && 'code' in problem && problem.code === refused;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
