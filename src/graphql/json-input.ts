import type { Json, JsonObject } from '../domain/pipeline.ts';
import type { Refusal } from '../domain/refusal.ts';
import { maxVariableBytes } from '../domain/variables.ts';

const deepest = 32;
const prototypeKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Why JSON from a caller is not taken, or null when it is: names that would reach an object's prototype, text that Postgres
 * can't keep, more than 32 levels, more than 64 KB.
 */
export function refuseJson(value: JsonObject, path: readonly string[]): Refusal | null {
  const wrong = wrongWithin(value, path, 1);
  if (wrong) return { code: 'INVALID_INPUT', ...wrong };
  if (Buffer.byteLength(JSON.stringify(value)) <= maxVariableBytes) return null;
  return {
    code: 'INVALID_INPUT',
    path,
    message: 'The variables are larger than 64 KB. Put the data somewhere a block can read it, and pass its place.',
  };
}

function wrongWithin(
  value: Json,
  path: readonly string[],
  depth: number,
): { path: readonly string[]; message: string } | null {
  if (typeof value === 'string') {
    const why = whyNotStorable(value);
    return why === null ? null : { path, message: `The text holds ${why}, which can't be kept.` };
  }
  if (typeof value !== 'object' || value === null) return null;
  if (depth > deepest) return { path, message: `The value is nested more than ${deepest} levels deep.` };
  for (const [name, inner] of Object.entries(value)) {
    const at = [...path, name];
    if (!Array.isArray(value) && prototypeKeys.has(name)) {
      return { path: at, message: `\`${name}\` can't be the name of a variable or of anything within one.` };
    }
    const why = whyNotStorable(name);
    if (why !== null) return { path, message: `A name holds ${why}, which can't be kept.` };
    const wrong = wrongWithin(inner as Json, at, depth + 1);
    if (wrong) return wrong;
  }
  return null;
}

/** What makes a text one that Postgres can't keep; null for every other. */
export function whyNotStorable(text: string): string | null {
  if (text.includes('\0')) return 'a NUL character';
  return text.isWellFormed() ? null : 'half of a character (a lone surrogate)';
}
