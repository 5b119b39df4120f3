/**
 * Whether an operation failed because the database is away: it restarts, recovers from a crash, or can't be reached. Then nothing is broken
 * that a person would have to mend here, and the same call may succeed a moment later.
 */
export function isOutage(error: unknown): boolean {
  if (error === null || typeof error !== 'object') return false;
  const { code, originalCode, kind, syscall, message, cause, meta } = error as Failure;
  if (code === 'ENOENT') return syscall === 'connect';
  return (
    awayCodes.test(String(code)) ||
    awayCodes.test(String(originalCode)) ||
    awayKinds.test(String(kind)) ||
    awayMessages.test(String(message)) ||
    isOutage(cause) ||
    isOutage(meta?.driverAdapterError)
  );
}

/** What the driver, Node's sockets and Prisma's client throw, as far as it is looked into. */
type Failure = {
  readonly [name in 'code' | 'originalCode' | 'kind' | 'syscall' | 'message' | 'cause']?: unknown;
} & { readonly meta?: { readonly driverAdapterError?: unknown } };

/** Of sockets, of Postgres (class 08, 57P01 to 57P03), of Prisma's client. */
const awayCodes = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|08\w{3}|57P0[123]|P1001|P1002|P1017)$/;
const awayKinds = /^(DatabaseNotReachable|ConnectionClosed|SocketTimeout)$/;

/** The driver gives some of its errors no code. */
const awayMessages =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/;
