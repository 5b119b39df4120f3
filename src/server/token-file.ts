import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const pattern = /^[A-Za-z0-9_-]{43}$/;

/** Thrown when the token can't be had from its file, so that nobody is let in (or kept out) by accident. */
class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
  readonly path: string;

  constructor(path: string, sentence: string, cause?: unknown) {
    super(sentence, { cause });
    this.path = path;
  }
}

/**
 * The admin token of a data directory: 256 random bits in base64url, made at the first start and kept in `admin-token` with mode 0600.
 * Throws TokenFileError when the file was damaged, or can't be read or made.
 */
export async function loadOrCreateToken(dataDir: string): Promise<string> {
  const path = join(dataDir, 'admin-token');
  try {
    await mkdir(dataDir, { recursive: true });
    // Two servers may start at once: one creates the file, the other reads what it wrote.
    return (await loadIfThere(path)) ?? (await create(path)) ?? (await load(path));
  } catch (error) {
    if (error instanceof TokenFileError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new TokenFileError(
      path,
      `The token can't be kept in ${path} (${code}). Give this user the right to read and write there, move what is in its place away, or name another directory with --data-dir.`,
      error,
    );
  }
}

async function loadIfThere(path: string): Promise<string | null> {
  try {
    return await load(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function create(path: string): Promise<string | null> {
  const token = randomBytes(32).toString('base64url');
  // Written aside and then linked: whoever finds the file finds all of it, and a link never replaces one that is there.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    await file.writeFile(`${token}\n`);
    await file.sync();
    await file.close();
    await link(draft, path);
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function load(path: string): Promise<string> {
  // Copies and restores widen modes; narrow it again rather than refuse to start.
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  const token = (await readFile(path, 'utf8')).trim();
  if (!pattern.test(token))
    throw new TokenFileError(
      path,
      `${path} does not hold a Penstock token. Delete the file to get a new token at the next start.`,
    );
  return token;
}
