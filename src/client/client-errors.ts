/** What the API answered instead of data. `code` is for programs: INVALID_INPUT, INVALID_CURSOR, FORBIDDEN, … */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string | null;

  constructor(message: string, code: string | null) {
    super(message);
    this.code = code;
  }
}

/** Thrown when no server answers at the address, or it stopped answering. */
export class ServerUnreachableError extends Error {
  override readonly name = 'ServerUnreachableError';
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`No Penstock server answers at ${url}. Start one with \`penstock serve\`, or say where it is with --url.`, {
      cause,
    });
    this.url = url;
  }
}

/** Thrown when the server is there, and does not take the token. */
export class AccessDeniedError extends Error {
  override readonly name = 'AccessDeniedError';
}

type ErrorOfAnswer = { readonly message: string; readonly extensions?: { readonly code?: unknown } | undefined };

/** The errors of an answer as one. */
export function apiError(errors: readonly ErrorOfAnswer[]): ApiError {
  const code = errors[0]?.extensions?.code;
  return new ApiError(errors.map((error) => error.message).join('\n'), typeof code === 'string' ? code : null);
}
