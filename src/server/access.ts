import { randomBytes as nodeRandomBytes } from 'node:crypto';
import type { Principal } from '../graphql/access.ts';
import { createLoginCodes } from './login-codes.ts';
import { digestOf, type RandomBytes, sameDigest } from './secrets.ts';
import { createSessions } from './sessions.ts';

/** Turns what a caller shows into who the caller is. */
export type Access = {
  /** Who everybody is under `--no-auth`; null when callers must identify themselves. */
  readonly anonymous: Principal | null;
  /** The owner of a bearer token, or null. A promise because tokens of more people will live in the database. */
  readonly principalOfToken: (token: string) => Promise<Principal | null>;
  /** The owner of a browser session, or null when it is forged or over. */
  readonly principalOfSession: (cookie: string) => Principal | null;
  /** Trades a one-time code for a session cookie value; null when the code is unknown, used or expired. */
  readonly redeemLoginCode: (code: string) => string | null;
  /** A new one-time code for `/login?code=…`. */
  readonly newLoginCode: () => string;
  /** Lifetime of a session in seconds. */
  readonly sessionSeconds: number;
};

const hour = 3_600_000;
const admin: Principal = { name: 'admin', role: 'ADMIN' };

/** Access for the holder of one admin token, by bearer or by browser session. Codes live an hour, sessions a week. */
export function createTokenAccess(options: {
  readonly token: string;
  readonly now?: () => number;
  readonly randomBytes?: RandomBytes;
}): Access {
  const now = options.now ?? Date.now;
  const randomBytes = options.randomBytes ?? nodeRandomBytes;
  const expected = digestOf(options.token);
  const codes = createLoginCodes({ lifetimeMs: hour, now, randomBytes });
  const sessions = createSessions({ token: options.token, lifetimeMs: 7 * 24 * hour, now, randomBytes });

  return {
    anonymous: null,
    principalOfToken: async (token) => (sameDigest(digestOf(token), expected) ? admin : null),
    principalOfSession: (cookie) => (sessions.isOpen(cookie) ? admin : null),
    redeemLoginCode: (code) => (codes.redeem(code) ? sessions.open() : null),
    newLoginCode: () => codes.issue(),
    sessionSeconds: sessions.lifetimeSeconds,
  };
}

/** Access for `--no-auth`: everybody is the administrator. `startServer` refuses it anywhere but on loopback. */
export function createOpenAccess(): Access {
  const anonymous: Principal = { name: 'anonymous', role: 'ADMIN' };
  return {
    anonymous,
    principalOfToken: async () => anonymous,
    principalOfSession: () => anonymous,
    redeemLoginCode: () => null,
    newLoginCode: () => '',
    sessionSeconds: 0,
  };
}
