import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Access } from './access.ts';
import { type Denial, deny } from './denial.ts';
import type { FailureLimit } from './failure-limit.ts';
import type { Gate } from './gate.ts';
import type { createGraphiQL } from './graphiql.ts';
import { answerLive, answerReady } from './health.ts';
import type { createHttpGraphQL } from './http-graphql.ts';
import { answerLogin } from './login.ts';
import { pathOf } from './path-of.ts';

export type HttpParts = {
  readonly gate: Gate;
  readonly access: Access;
  readonly failures: FailureLimit;
  readonly cookieName: string;
  readonly graphql: ReturnType<typeof createHttpGraphQL>;
  readonly graphiql: ReturnType<typeof createGraphiQL>;
  readonly isDraining: () => boolean;
  readonly logger: Logger;
};

/** Answers every HTTP request of the server: one name, one page, one endpoint, two health checks. */
export function createHttp(parts: HttpParts) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const requestId = randomUUID();
    for (const [name, value] of Object.entries(alwaysSent)) response.setHeader(name, value);
    response.setHeader('x-request-id', requestId);
    route(parts, request, response, requestId).catch((error) => {
      parts.logger.error({ err: error, requestId }, 'a request could not be answered');
      if (response.headersSent) response.destroy();
      else deny(response, surprise(requestId));
    });
  };
}

/** No answer of ours is to be sniffed, framed, embedded elsewhere, or to tell other sites where its reader came from. */
const alwaysSent = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
};

async function route(
  parts: HttpParts,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const denial = parts.gate.checkHost(request);
  if (denial) return deny(response, denial);
  const path = pathOf(request);
  if (path === '/graphql') return answerGraphQL(parts, request, response, requestId);
  if (request.method !== 'GET' && request.method !== 'HEAD') return deny(response, onlyGet);
  switch (path) {
    case '/health/live':
      return answerLive(response);
    case '/health/ready':
      return answerReady(response, parts.isDraining());
    case '/':
      return redirect(response, '/graphiql');
    case '/login':
      // A HEAD is somebody's preview of the link: it must not use up the code.
      if (request.method === 'HEAD') return deny(response, onlyGet);
      return answerLogin(request, response, { ...parts, hasSession: parts.gate.hasSession(request) });
    case '/graphiql':
      return parts.gate.hasSession(request)
        ? parts.graphiql.answerPage(request, response)
        : deny(response, signInFirst);
  }
  if (path?.startsWith('/graphiql/') && (await parts.graphiql.answerAsset(path, response))) return;
  deny(response, nothingHere);
}

async function answerGraphQL(
  parts: HttpParts,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const denial = parts.gate.checkOrigin(request);
  if (denial) return deny(response, denial);
  // Before anybody is asked for a token: it is the answer to a preflight, and says no to all of them.
  if (request.method === 'OPTIONS') return deny(response, noPreflight);
  const identified = await parts.gate.identify(request);
  if (!identified.ok) return deny(response, identified.denial);
  response.setHeader('cache-control', 'no-store');
  return parts.graphql(request, response, { ...identified, requestId });
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location, 'cache-control': 'no-store' });
  response.end();
}

const onlyGet: Denial = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'Only GET is answered here. The API is at /graphql.',
  headers: { allow: 'GET, HEAD' },
};
const noPreflight: Denial = {
  status: 405,
  code: 'METHOD_NOT_ALLOWED',
  message: 'Pages of other origins may not call this API (there is no CORS).',
  headers: { allow: 'GET, POST' },
};
const nothingHere: Denial = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'There is nothing here. The API is at /graphql, a page to explore it at /graphiql.',
};
const signInFirst: Denial = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: 'Open the address that `penstock serve` printed: its one-time code signs this browser in.',
};
function surprise(requestId: string): Denial {
  return {
    status: 500,
    code: 'INTERNAL_SERVER_ERROR',
    message: `Something went wrong on our side. The server's log explains it under request id ${requestId}.`,
  };
}
