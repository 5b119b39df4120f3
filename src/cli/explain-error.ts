import { ConfigError } from '../config.ts';
import { exitCodes } from './exit-codes.ts';

/** Errors that already say, in a sentence for their reader, what happened and what to do. */
const spoken: ReadonlySet<string> = new Set([
  'DataDirectoryError',
  'DatabaseUnavailableError',
  'MigrationError',
  'ListenError',
  'TokenFileError',
  'NotAProject',
]);

/** Nobody answers, or nobody is known. */
const noServer: ReadonlySet<string> = new Set(['ServerUnreachableError', 'NoServerError']);

/** What the CLI says about an error, and the code with which it ends. One that nobody foresaw is shown with its stack. */
export function explainError(error: unknown): { readonly message: string; readonly code: number } {
  if (error instanceof ConfigError) return { message: error.message, code: exitCodes.usage };
  if (!(error instanceof Error)) return { message: String(error), code: exitCodes.failed };
  if (noServer.has(error.name)) return { message: error.message, code: exitCodes.noServer };
  if (error.name === 'AccessDeniedError') {
    // The server speaks to whoever calls it; here that is the CLI.
    const message =
      'The server does not know who you are. Give its token with --token or PENSTOCK_TOKEN: it is in the file admin-token of its data directory.';
    return { message, code: exitCodes.refused };
  }
  if (error.name === 'ApiError') return { message: error.message, code: exitCodes.refused };
  if (error.name === 'ListenError' && 'code' in error && error.code === 'LOOPBACK_ONLY')
    return { message: error.message, code: exitCodes.usage };
  if (spoken.has(error.name)) return { message: error.message, code: exitCodes.failed };
  return {
    message: `Something went wrong that Penstock did not foresee:\n${error.stack ?? error.message}`,
    code: exitCodes.failed,
  };
}
