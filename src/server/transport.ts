import { OperationTypeNode } from 'graphql';

/** How an operation came in. `…_STREAM` are requests that accept `text/event-stream` (SSE). */
export type Transport = 'POST' | 'GET' | 'POST_STREAM' | 'GET_STREAM' | 'WEBSOCKET';

const { QUERY, MUTATION, SUBSCRIPTION } = OperationTypeNode;

/** GET must be safe: a link or an image can cause it. Only what can carry many answers may subscribe. */
const carries: Readonly<Record<Transport, readonly OperationTypeNode[]>> = {
  POST: [QUERY, MUTATION],
  GET: [QUERY],
  POST_STREAM: [QUERY, MUTATION, SUBSCRIPTION],
  GET_STREAM: [QUERY, SUBSCRIPTION],
  WEBSOCKET: [QUERY, MUTATION, SUBSCRIPTION],
};

/** Whether a transport may carry operations of a kind. */
export function canCarry(transport: Transport, kind: OperationTypeNode): boolean {
  return carries[transport].includes(kind);
}
