import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const pattern = /^[A-Za-z0-9_-]{43}$/;

/** Thrown when the token file holds something else than a token, so that nobody is let in (or kept out) by accident. */
class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
  readonly path: string;

  constructor(path: string) {
    super(`${path} does not hold a Penstock token. Delete the file to get a new token at the next start.`);
    this.path = path;
  }
}

/**
 * The admin token of a data directory: 256 random bits in base64url, made at the first start and kept in `admin-token` with mode 0600.
 * Throws TokenFileError when the file was damaged.
 */
export async function loadOrCreateToken(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'admin-token');
  try {
    return await load(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // Two servers may start at once: one creates the file, the other reads what it wrote.
  return (await create(path)) ?? (await load(path));
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
  if (!pattern.test(token)) throw new TokenFileError(path);
  return token;
}
