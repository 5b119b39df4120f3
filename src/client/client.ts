import type { TypedDocumentString } from '../generated/graphql/graphql.ts';
import { createRequester } from './requests.ts';
import { createSubscriber } from './subscriptions.ts';

/**
 * Asks a Penstock server. Documents are the typed ones in generated/graphql: their variables and answers are checked by the
 * compiler against the server's schema.
 */
export type Client = {
  /**
   * Sends a query or mutation. Rejects with ApiError when the answer has errors (refused mutations are data, not errors),
   * ServerUnreachableError when nobody answers, AccessDeniedError when the token is not taken.
   */
  readonly request: <Result, Variables>(
    document: TypedDocumentString<Result, Variables>,
    variables: Variables,
  ) => Promise<Result>;
  /**
   * Follows a subscription. A broken connection is taken up again where it was, by the last message's cursor: `Subscribed`
   * comes once more then, and no event is missed. Ends by `return()` (as leaving a `for await` does); throws as `request` does.
   */
  readonly subscribe: <Result, Variables>(
    document: TypedDocumentString<Result, Variables>,
    variables: Variables,
  ) => AsyncIterableIterator<Result>;
  /** Closes the connection that subscriptions share. */
  readonly close: () => Promise<void>;
};

export type ClientOptions = {
  /** Where the server is, for instance `http://127.0.0.1:4800`. */
  readonly url: string;
  /** Null for a server without authentication. */
  readonly token: string | null;
  /** How often a broken connection is tried again before a subscription throws; 10 unless given. */
  readonly reconnects?: number;
};

/** A client of one server; nothing is connected before something is asked. */
export function createClient({ url, token, reconnects = 10 }: ClientOptions): Client {
  const endpoint = new URL('/graphql', url);
  const subscriber = createSubscriber(endpoint, token, reconnects);
  return {
    request: createRequester(endpoint, token),
    subscribe: subscriber.subscribe,
    close: subscriber.close,
  };
}
