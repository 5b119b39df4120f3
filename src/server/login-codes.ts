import { digestOf, type RandomBytes } from './secrets.ts';

/** One-time codes that turn a printed URL into a browser session. */
export type LoginCodes = {
  /** A new code of 192 random bits. Nothing is written down: a restart forgets it. */
  readonly issue: () => string;
  /** True exactly once for each code that was issued and has not expired. */
  readonly redeem: (code: string) => boolean;
};

/** `lifetimeMs` is how long a code may wait to be used; `now` is in milliseconds. */
export function createLoginCodes(options: {
  readonly lifetimeMs: number;
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
}): LoginCodes {
  // By digest: looking a secret up by its hash gives a timing attacker nothing to climb along.
  const expiryOf = new Map<string, number>();

  return {
    issue() {
      for (const [key, expiresAt] of expiryOf) if (expiresAt <= options.now()) expiryOf.delete(key);
      const code = options.randomBytes(24).toString('base64url');
      expiryOf.set(digestOf(code).toString('hex'), options.now() + options.lifetimeMs);
      return code;
    },
    redeem(code) {
      const key = digestOf(code).toString('hex');
      const expiresAt = expiryOf.get(key);
      expiryOf.delete(key);
      return expiresAt !== undefined && expiresAt > options.now();
    },
  };
}
