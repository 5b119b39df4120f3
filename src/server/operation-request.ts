import type { Principal } from '../graphql/access.ts';
import type { Transport } from './transport.ts';

/** One operation on its way in: who asks, by which door, and the signal that says the answer is no longer wanted. */
export type OperationRequest = {
  /** Appears in the log and in masked errors; the same for everything one HTTP request or one WebSocket operation does. */
  readonly requestId: string;
  readonly transport: Transport;
  readonly principal: Principal;
  /** Whether a person in a browser asks, rather than a program with a token. */
  readonly isFromBrowser: boolean;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Where a reconnecting event stream left off (the header `Last-Event-ID`); null otherwise. */
  readonly lastEventId: string | null;
};

/** What a client sends of an operation, as the GraphQL-over-HTTP and WebSocket protocols name it. */
export type OperationParams = {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
};
