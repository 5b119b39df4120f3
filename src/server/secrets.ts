import { createHash, timingSafeEqual } from 'node:crypto';

/** The SHA-256 of a secret: what we keep and compare, so that the secret itself is in memory only while somebody presents it. */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

/** Whether two digests are equal, in a time that tells nothing about where they differ. */
export function sameDigest(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Draws this many random bytes; `node:crypto`'s `randomBytes` outside of tests. */
export type RandomBytes = (bytes: number) => Buffer;
