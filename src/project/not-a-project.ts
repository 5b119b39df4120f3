/** The folder can't be served at all. `message` says why and what to do, for the person who named it. */
export class NotAProject extends Error {
  override readonly name = 'NotAProject';
  readonly dir: string;
  readonly code: 'DIRECTORY_MISSING' | 'NOT_A_DIRECTORY' | 'UNREADABLE' | 'NO_PROJECT';

  constructor(code: NotAProject['code'], dir: string, message: string) {
    super(message);
    this.code = code;
    this.dir = dir;
  }
}
