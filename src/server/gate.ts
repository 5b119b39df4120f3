import type { IncomingMessage } from 'node:http';
import type { Principal } from '../graphql/access.ts';
import type { Access } from './access.ts';
import { sessionCookieOf } from './cookies.ts';
import type { Denial } from './denial.ts';
import type { FailureLimit } from './failure-limit.ts';
import type { AllowList } from './hosts.ts';

/** Who may come in, by any transport: the same questions for HTTP requests, event streams and upgrades. */
export type Gate = {
  /** Null when the request calls us by one of our names. */
  readonly checkHost: (request: IncomingMessage) => Denial | null;
  /** Null when the request comes from no page at all, or from an allowed one. */
  readonly checkOrigin: (request: IncomingMessage) => Denial | null;
  /** Who sends an HTTP request: by bearer token, or by session cookie when the page is our own. */
  readonly identify: (request: IncomingMessage) => Promise<Identified>;
  /** Whether a browser may see our pages: it has a session, or nobody needs one. */
  readonly hasSession: (request: IncomingMessage) => boolean;
  /** Who a browser's session cookie belongs to, when the upgrade comes from our own page; null when a token is still to be named. */
  readonly identifyUpgrade: (request: IncomingMessage) => Identified | null;
  /** The owner of a token, or a denial; failures count against the address. */
  readonly identifyToken: (token: string, address: string) => Promise<Identified>;
};

export type Identified =
  | { readonly ok: true; readonly principal: Principal; readonly isFromBrowser: boolean }
  | { readonly ok: false; readonly denial: Denial };

/** A gate for one listening address. */
export function createGate(options: {
  readonly access: Access;
  readonly allowed: AllowList;
  readonly failures: FailureLimit;
  readonly cookieName: string;
}): Gate {
  const { access, allowed, failures } = options;

  const identifyToken = async (token: string, address: string): Promise<Identified> => {
    const principal = await access.principalOfToken(token);
    if (principal) return { ok: true, principal, isFromBrowser: false };
    if (failures.note(address)) return { ok: false, denial: wrongToken };
    return { ok: false, denial: tooManyFailures(failures.retryAfterSeconds(address)) };
  };

  const sessionOf = (request: IncomingMessage): Principal | null => {
    const cookie = sessionCookieOf(request, options.cookieName);
    return cookie === null ? null : access.principalOfSession(cookie);
  };

  return {
    checkHost: (request) => (allowed.allowsHost(request.headers.host) ? null : unknownHost),
    checkOrigin: (request) => {
      const origin = request.headers.origin;
      return origin === undefined || allowed.allowsOrigin(origin) ? null : foreignOrigin;
    },
    async identify(request) {
      if (access.anonymous) return { ok: true, principal: access.anonymous, isFromBrowser: comesFromPage(request) };
      const authorization = request.headers.authorization;
      if (authorization !== undefined) {
        const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
        return token === undefined
          ? { ok: false, denial: notBearer }
          : identifyToken(token, request.socket.remoteAddress ?? '');
      }
      const principal = sessionOf(request);
      if (!principal) return { ok: false, denial: nobody };
      if (!isOurOwnPage(request, allowed)) return { ok: false, denial: cookieFromElsewhere };
      return { ok: true, principal, isFromBrowser: true };
    },
    hasSession: (request) => access.anonymous !== null || sessionOf(request) !== null,
    identifyUpgrade(request) {
      if (access.anonymous) return { ok: true, principal: access.anonymous, isFromBrowser: comesFromPage(request) };
      if (!allowed.isSameOrigin(request.headers.origin, request.headers.host)) return null;
      const principal = sessionOf(request);
      return principal && { ok: true, principal, isFromBrowser: true };
    },
    identifyToken,
  };
}

/** Every browser says where a request comes from; programs have no reason to. */
function comesFromPage(request: IncomingMessage): boolean {
  return request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined;
}

/** Browsers send cookies along with requests that other pages caused; these two headers can't be forged by a page. */
function isOurOwnPage(request: IncomingMessage, allowed: AllowList): boolean {
  const origin = request.headers.origin;
  if (origin !== undefined) return allowed.isSameOrigin(origin, request.headers.host);
  return request.headers['sec-fetch-site'] === 'same-origin';
}

const howToIdentify = 'Send `Authorization: Bearer TOKEN`, or open the address that `penstock serve` printed.';
const bearer = { 'www-authenticate': 'Bearer realm="penstock"' };

const unknownHost: Denial = {
  status: 421,
  code: 'UNKNOWN_HOST',
  message:
    'This server does not answer to that Host. Use the address it printed, or name the host with --allowed-hosts.',
};
const foreignOrigin: Denial = {
  status: 403,
  code: 'FORBIDDEN_ORIGIN',
  message: 'Pages of that origin may not talk to this server. An operator can allow one with --allowed-origins.',
};
const nobody: Denial = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: `This request names nobody. ${howToIdentify}`,
  headers: bearer,
};
const notBearer: Denial = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: `The Authorization header is not a bearer token. ${howToIdentify}`,
  headers: bearer,
};
const wrongToken: Denial = {
  status: 401,
  code: 'UNAUTHENTICATED',
  message: `This token is not known here. ${howToIdentify}`,
  headers: bearer,
};
const cookieFromElsewhere: Denial = {
  status: 403,
  code: 'FORBIDDEN_ORIGIN',
  message: 'A session cookie counts only for requests of our own pages. Programs send `Authorization: Bearer TOKEN`.',
};
function tooManyFailures(seconds: number): Denial {
  return {
    status: 429,
    code: 'TOO_MANY_FAILURES',
    message: `Too many wrong tokens from this address. Try again in ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  };
}
