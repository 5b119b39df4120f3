import type { OperationParams } from './operation-request.ts';

/** Deeper JSON than this is refused: nothing of ours nests so far, and walkers of variables recurse. */
const maxDepth = 32;

/** Names by which an object could reach, or pretend to be, its prototype once it is merged into another. */
const prototypeKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Whether a key is one of the names that no input object may have. */
export function isPrototypeKey(key: string): boolean {
  return prototypeKeys.has(key);
}

export type ReadParams =
  | { readonly ok: true; readonly params: OperationParams }
  | { readonly ok: false; readonly message: string };

/** Reads the parameters of an operation from parsed JSON. Anything but the four known members in their right types is refused with a sentence. */
export function readParams(json: unknown): ReadParams {
  if (!isObject(json))
    return refused('An operation is a JSON object with `query`, and optionally `operationName` and `variables`.');
  const { query, operationName = null, variables = null, extensions = null } = json;
  if (typeof query !== 'string' || query === '') return refused('`query` must be a string with a GraphQL document.');
  if (operationName !== null && typeof operationName !== 'string') return refused('`operationName` must be a string.');
  if (variables !== null && !isObject(variables)) return refused('`variables` must be an object.');
  if (extensions !== null && !isObject(extensions)) return refused('`extensions` must be an object.');
  // The envelope itself is one level of the JSON that was sent.
  const problem = problemOf(variables, 1) ?? problemOf(extensions, 1);
  return problem
    ? refused(problem)
    : { ok: true, params: { query, operationName: operationName || null, variables: variables ?? {} } };
}

/** What is wrong with a piece of JSON at this depth, or null. */
function problemOf(value: unknown, depth: number): string | null {
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= maxDepth) return `JSON may be nested ${maxDepth} levels deep, not more.`;
  if (Array.isArray(value)) return firstProblem(value, depth);
  const forbidden = Object.keys(value).find(isPrototypeKey);
  if (forbidden !== undefined) return `"${forbidden}" may not be the name of a member of an object.`;
  return firstProblem(Object.values(value), depth);
}

function firstProblem(values: readonly unknown[], depth: number): string | null {
  for (const value of values) {
    const problem = problemOf(value, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(message: string): ReadParams {
  return { ok: false, message };
}
