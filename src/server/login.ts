import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access } from './access.ts';
import { sessionCookie } from './cookies.ts';
import { type Denial, deny } from './denial.ts';
import type { FailureLimit } from './failure-limit.ts';
import { queryOf } from './path-of.ts';

/**
 * `GET /login?code=…`: trades the one-time code of the printed URL for a session cookie and goes on to GraphiQL. Who has a session already just goes
 * on, so that a second click on the same line of the terminal is no error.
 */
export function answerLogin(
  request: IncomingMessage,
  response: ServerResponse,
  options: {
    readonly access: Access;
    readonly cookieName: string;
    readonly failures: FailureLimit;
    readonly hasSession: boolean;
  },
): void {
  const cookie = options.hasSession ? null : options.access.redeemLoginCode(queryOf(request).get('code') ?? '');
  if (cookie !== null) {
    response.setHeader('set-cookie', sessionCookie(options.cookieName, cookie, options.access.sessionSeconds));
  }
  if (cookie !== null || options.hasSession) goOn(response);
  else deny(response, refusal(request.socket.remoteAddress ?? '', options.failures));
}

function refusal(address: string, failures: FailureLimit): Denial {
  if (failures.note(address)) return usedCode;
  const headers = { 'retry-after': String(failures.retryAfterSeconds(address)) };
  return { ...usedCode, status: 429, code: 'TOO_MANY_FAILURES', headers };
}

function goOn(response: ServerResponse): void {
  response.writeHead(303, { location: '/graphiql', 'cache-control': 'no-store' });
  response.end();
}

const usedCode: Denial = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message:
    'This login code is unknown, used or expired. Each start of `penstock serve` prints an address with a new one.',
};
