/** What is wrong with a data directory, or with running Postgres in it. */
export type DataDirectoryProblem =
  | 'in_use'
  | 'foreign'
  | 'other_version'
  | 'not_a_directory'
  | 'not_writable'
  | 'refused'
  | 'no_binaries'
  | 'no_account';

/** Thrown when the embedded Postgres can't serve a data directory. The message says what happened and what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
  readonly problem: DataDirectoryProblem;
  /** The directory or file it is about. */
  readonly path: string;
  /** The other process, when the directory is in use. */
  readonly pid: number | undefined;

  constructor(
    problem: DataDirectoryProblem,
    path: string,
    message: string,
    more: { pid?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.problem = problem;
    this.path = path;
    this.pid = more.pid;
  }
}
