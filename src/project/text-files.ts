import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { atMost } from './at-most.ts';

/** A larger file is no hand-written definition or block. */
const maxFileBytes = 4 * 1024 * 1024;
const readsAtOnce = 32;

export type TextFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  /** Exists, but can't be used: `why` completes "it …". */
  | { readonly kind: 'unusable'; readonly why: string };

/** What was read before, by real path, and the state the file then had. */
export type FileCache = Map<string, { readonly stamp: string; readonly file: TextFile }>;

/** Reads files of a project, only files inside of it, each once per reading of the project. */
export type TextFiles = {
  /**
   * `path` is relative to the project, with forward slashes. A file that did not change is the same object. Rejects only when the
   * machine can't read now (out of handles, a failing disk), which says nothing about the file.
   */
  readonly read: (path: string) => Promise<TextFile>;
  /** Lets the cache forget what this reading did not come across. */
  readonly forgetOthers: () => void;
};

/** `dir` must be a real path. */
export function textFiles(dir: string, cache: FileCache): TextFiles {
  const reading = new Map<string, Promise<TextFile>>();
  const seen = new Set<string>();
  const inTurn = atMost(readsAtOnce);
  const realFolder = memoize((folder: string) => realpath(folder));

  async function readInside(path: string): Promise<TextFile> {
    const real = await realPlace(join(dir, path), realFolder);
    if (!isInside(dir, real)) return { kind: 'unusable', why: 'lies outside of the project' };
    const stats = await stat(real, { bigint: true });
    if (!stats.isFile()) return { kind: 'unusable', why: 'is no regular file' };
    if (stats.size > maxFileBytes) return { kind: 'unusable', why: `is larger than ${maxFileBytes / 1024 / 1024} MB` };
    seen.add(real);
    // Nothing but the change time tells of an edit that keeps size and modification time.
    const stamp = `${stats.mtimeNs} ${stats.ctimeNs} ${stats.size} ${stats.ino}`;
    const before = cache.get(real);
    if (before?.stamp === stamp) return before.file;
    const file = decode(await readFile(real));
    cache.set(real, { stamp, file });
    return file;
  }

  return {
    read(path) {
      const known = reading.get(path);
      if (known) return known;
      const file = inTurn(() => readInside(path).catch(explain));
      reading.set(path, file);
      return file;
    },
    forgetOthers() {
      for (const path of cache.keys()) if (!seen.has(path)) cache.delete(path);
    },
  };
}

/** As realpath, but a folder is resolved once for all its files: resolving each file took most of the time of a reading. */
async function realPlace(path: string, realFolder: (folder: string) => Promise<string>): Promise<string> {
  if ((await lstat(path)).isSymbolicLink()) return realpath(path);
  return join(await realFolder(dirname(path)), basename(path));
}

function memoize(read: (key: string) => Promise<string>): (key: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  return (key) => {
    const value = known.get(key) ?? read(key);
    known.set(key, value);
    return value;
  };
}

const missing: TextFile = { kind: 'missing' };
/** What the file itself is to blame for. */
const ownFaults: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EISDIR', 'EINVAL']);

function explain(error: unknown): TextFile {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT' || code === 'ENOTDIR') return missing;
  if (!ownFaults.has(code)) throw error;
  return { kind: 'unusable', why: `can't be read (${code})` };
}

function decode(bytes: Buffer): TextFile {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (text.includes('\0')) return { kind: 'unusable', why: 'holds NUL characters, so it is no text' };
    return { kind: 'text', text };
  } catch {
    return { kind: 'unusable', why: 'is not UTF-8 text; save it as UTF-8' };
  }
}

/** True for a path below `dir`, both real. */
function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
