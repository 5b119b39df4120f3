import { createHmac } from 'node:crypto';
import { digestOf, type RandomBytes, sameDigest } from './secrets.ts';

/** Browser sessions. Signed, not stored: they survive a restart, and end when the admin token changes. */
export type Sessions = {
  /** A cookie value for a browser that has just proved itself. */
  readonly open: () => string;
  /** Whether this is a value of `open`, unaltered and not expired. */
  readonly isOpen: (value: string) => boolean;
  /** How long a session lasts, in seconds: the cookie's Max-Age. */
  readonly lifetimeSeconds: number;
};

/** Sessions signed with a key derived from the admin token; `now` is in milliseconds since 1970. */
export function createSessions(options: {
  readonly token: string;
  readonly lifetimeMs: number;
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
}): Sessions {
  // The key is not the token, so a cookie that leaks can't be used to test guesses of the token itself.
  const key = createHmac('sha256', options.token).update('penstock browser session v1').digest();
  const sign = (claim: string) => createHmac('sha256', key).update(claim).digest('base64url');

  return {
    lifetimeSeconds: Math.floor(options.lifetimeMs / 1000),
    open() {
      const claim = `${options.now() + options.lifetimeMs}.${options.randomBytes(12).toString('base64url')}`;
      return `${claim}.${sign(claim)}`;
    },
    isOpen(value) {
      const cut = value.lastIndexOf('.');
      const claim = value.slice(0, Math.max(cut, 0));
      if (!sameDigest(digestOf(sign(claim)), digestOf(value.slice(cut + 1)))) return false;
      return Number(claim.split('.')[0]) > options.now();
    },
  };
}
