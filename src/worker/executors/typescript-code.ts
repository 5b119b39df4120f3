import { createHash } from 'node:crypto';
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import type { AttemptError } from '../executor.ts';
import type { BlockSource } from './typescript-protocol.ts';

/** A block's code, ready for a child process; `id` is the same for the same code. */
export type BlockCode = { readonly id: string; readonly source: BlockSource } | { readonly error: AttemptError };

const mostCharactersKept = 64_000_000;

/**
 * Turns TypeScript into JavaScript, once per code and for all child processes: the compiler costs a process 30 ms and 18 MB,
 * which no child needs to pay unless its block imports other TypeScript files. Types become blanks, so lines and columns stay.
 */
export function createCodeCache(): { readonly prepare: (file: string, code: string) => BlockCode } {
  const files = new Map<string, Map<string, BlockCode>>();
  let kept = 0;
  return {
    prepare: (file, code) => {
      const known = files.get(file)?.get(code);
      if (known) return known;
      kept += code.length;
      if (kept > mostCharactersKept) {
        files.clear();
        kept = code.length;
      }
      const prepared = compile(file, code);
      const versions = files.get(file) ?? new Map<string, BlockCode>();
      files.set(file, versions.set(code, prepared));
      return prepared;
    },
  };
}

function compile(file: string, code: string): BlockCode {
  try {
    const isTypeScript = ['.ts', '.mts', '.cts'].includes(extname(file));
    const text = isTypeScript ? stripTypes(code, file) : code;
    const id = createHash('sha1').update(code).digest('base64url');
    return { id, source: { text, format: formatOf(file, text) } };
  } catch (error) {
    return { error: describe(error as Error, file) };
  }
}

/** Takes types out of TypeScript code; throws with the place when that can't be done. */
export function stripTypes(code: string, file: string): string {
  // Node says once per process that this function is experimental: nothing a user could act on.
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(code);
  } catch (error) {
    // Without a name the message says only ":3" and the line of code.
    const { stack } = error as Error;
    if (stack !== undefined) (error as Error).stack = stack.replace(/^:(\d+)\n/, `${file}:$1\n`);
    throw error;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** What is wrong with the syntax of some code, TypeScript or not; null when nothing is. */
export function syntaxErrorIn(code: string, file: string): AttemptError | null {
  try {
    stripTypes(code, file);
    return null;
  } catch (error) {
    return describe(error as Error, file);
  }
}

/** By its ending where that says it, else by its syntax, whatever the nearest package.json says: people paste both. */
function formatOf(file: string, code: string): BlockSource['format'] {
  const ending = extname(file);
  if (ending === '.mjs' || ending === '.mts') return 'module';
  if (ending === '.cjs' || ending === '.cts') return 'commonjs';
  const isModule = /^[ \t]*(export|import)\b(?![ \t]*[(.])/m.test(code);
  return !isModule && /\b(module\.exports|exports\.\w+|require\s*\()/.test(code) ? 'commonjs' : 'module';
}

function describe(error: Error, file: string): AttemptError {
  const [place, ...picture] = (error.stack ?? '').split(/\n\n?SyntaxError/)[0]?.split('\n') ?? [];
  const line = /:(\d+)$/.exec(place ?? '')?.[1];
  const advice =
    (error as NodeJS.ErrnoException).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? ' Blocks run with their types taken away: enums, namespaces with code and parameter properties can not.'
      : '';
  return {
    type: 'SyntaxError',
    message: `${error.message}${line ? ` (${file}, line ${line})` : ` (${file})`}.${advice}`,
    stackTrace: line ? [`${file}:${line}`, ...picture].join('\n') : null,
  };
}
