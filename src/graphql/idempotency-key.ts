import type { Refusal } from '../domain/refusal.ts';
import { whyNotStorable } from './json-input.ts';

const longest = 128;

/** Why a key is not taken, or null when it is: 1 to 128 characters that Postgres can keep. */
export function refuseKey(key: string): Refusal | null {
  const path = ['input', 'idempotencyKey'];
  if (key.length === 0 || key.length > longest) {
    const message = `The key has ${key.length} characters; it can have 1 to ${longest}.`;
    return { code: 'INVALID_INPUT', path, message };
  }
  const why = whyNotStorable(key);
  return why === null ? null : { code: 'INVALID_INPUT', path, message: `The key holds ${why}, which can't be kept.` };
}
