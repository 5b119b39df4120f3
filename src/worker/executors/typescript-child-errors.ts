import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { AttemptError } from '../executor.ts';

/** A mistake in how a block is written or what it gives; its sentence is all a reader needs, so it has no stack. */
export class BlockMistake extends Error {
  readonly told: AttemptError;

  constructor(type: string, message: string, stackTrace: string | null = null) {
    super(message);
    this.name = type;
    this.told = { type, message, stackTrace };
  }
}

/** What is told of a thrown value: the error's type and message, and the user's own frames with real paths. Never throws. */
export function describeError(error: unknown): AttemptError {
  try {
    return describe(error);
  } catch {
    // A proxy or a getter that throws when it is looked at.
    return { type: 'Error', message: 'The block threw a value that can not be looked at.', stackTrace: null };
  }
}

function describe(error: unknown): AttemptError {
  if (error instanceof BlockMistake) return error.told;
  if (!isError(error)) return { type: typeName(error), message: stringOf(error), stackTrace: null };
  const code = (error as NodeJS.ErrnoException).code;
  return {
    type: code === 'ENOSPC' || code === 'EDQUOT' ? 'DiskFull' : nameOf(error),
    message: stringOf(error.message),
    stackTrace: stackOf(error, new Set()),
  };
}

/** Also true of errors of another realm (node:vm). */
function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

function nameOf(error: Error): string {
  return typeof error.name === 'string' && error.name !== '' ? error.name : 'Error';
}

function stackOf(error: Error, seen: Set<Error>): string | null {
  if (typeof error.stack !== 'string') return null;
  seen.add(error);
  const stack = ownFrames(error.stack);
  const cause = error.cause;
  if (cause === undefined || cause === null) return stack;
  if (!isError(cause)) return `${stack}\n[cause]: ${inspect(cause)}`;
  return seen.has(cause) ? stack : `${stack}\n[cause]: ${stackOf(cause, seen) ?? cause.message}`;
}

const ourFrame = /typescript-child(-[a-z]+)?\.[cm]?[jt]s:\d+:\d+\)?$/;
const nodesFrame = /^\s+at (.* \()?node:/;

function ownFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !ourFrame.test(line) && !nodesFrame.test(line))
    .join('\n')
    .replace(/file:\/\/\/[^\s)]+/g, readablePath);
}

/** `file:///a/b%20c.ts:3:7` → `/a/b c.ts:3:7` */
function readablePath(location: string): string {
  const [, url, place] = /^(.*?)((?::\d+){0,2})$/.exec(location) ?? [];
  try {
    return fileURLToPath(url ?? location) + (place ?? '');
  } catch {
    return location;
  }
}

function typeName(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' ? name : 'Object';
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value);
}
