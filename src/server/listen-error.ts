/** Thrown by `startServer` when it can't listen where it was asked to. The message says what to do; `code` is Node's, or LOOPBACK_ONLY. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(problem: {
    readonly code: string;
    readonly host: string;
    readonly port: number;
    readonly message: string;
    readonly cause?: unknown;
  }) {
    super(problem.message, { cause: problem.cause });
    this.code = problem.code;
    this.host = problem.host;
    this.port = problem.port;
  }
}

/** What a failed `listen` means, in words. */
export function explainListenFailure(error: NodeJS.ErrnoException, host: string, port: number): ListenError {
  const code = error.code ?? 'UNKNOWN';
  return new ListenError({ code, host, port, message: sentence(code, host, port, error.message), cause: error });
}

function sentence(code: string, host: string, port: number, detail: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is taken by another program. Stop it, name another with --port, or let the system pick one with --port 0.`;
    case 'EACCES':
      return `This user may not listen on port ${port}. Name one above 1023 with --port, or let the system pick one with --port 0.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Name another with --host; 127.0.0.1 always works.`;
    default:
      return `Can't listen on ${host}, port ${port}: ${detail}.`;
  }
}

/** The refusal to let everybody on the network be administrator. */
export function openToTheWorld(host: string, port: number): ListenError {
  return new ListenError({
    code: 'LOOPBACK_ONLY',
    host,
    port,
    message: `--no-auth makes everybody who can connect an administrator, so it works on loopback only, not on ${host}. Leave out --no-auth, or --host.`,
  });
}
