import type { IncomingMessage } from 'node:http';

/** The session cookie's name. It carries the port because cookies don't know ports: two servers on one machine would sign each other out. */
export function sessionCookieName(port: number): string {
  return `penstock_session_${port}`;
}

/** The value of the session cookie in a request, or null. */
export function sessionCookieOf(request: IncomingMessage, name: string): string | null {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const cut = pair.indexOf('=');
    if (cut > 0 && pair.slice(0, cut).trim() === name) return pair.slice(cut + 1).trim();
  }
  return null;
}

/**
 * A Set-Cookie header. Not readable by scripts, never sent along from other sites. Not `Secure`: a local server speaks plain http,
 * and browsers would drop it there.
 */
export function sessionCookie(name: string, value: string, seconds: number): string {
  return `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict`;
}
