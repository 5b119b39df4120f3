import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';

/** A larger file is no hand-written definition or block. */
const maxFileBytes = 4 * 1024 * 1024;

export type TextFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  /** Exists, but can't be used: `why` completes "it …". */
  | { readonly kind: 'unusable'; readonly why: string };

type Remembered = { readonly stamp: string; readonly file: TextFile };

/** What was read before, by real path. Kept between readings it makes reading an unchanged project cheap. */
export type FileCache = Map<string, Remembered>;

/** Reads files of a project, only files inside of it, each once per reading of the project. */
export type TextFiles = {
  /** `path` is relative to the project, with forward slashes. Never rejects. */
  readonly read: (path: string) => Promise<TextFile>;
};

/** `dir` must be a real path. */
export function textFiles(dir: string, cache: FileCache): TextFiles {
  const reading = new Map<string, Promise<TextFile>>();
  return {
    read(path) {
      const known = reading.get(path);
      if (known) return known;
      const file = readInside(dir, path, cache);
      reading.set(path, file);
      return file;
    },
  };
}

async function readInside(dir: string, path: string, cache: FileCache): Promise<TextFile> {
  try {
    const real = await realpath(join(dir, path));
    if (!isInside(dir, real)) return { kind: 'unusable', why: 'lies outside of the project' };
    const stats = await stat(real, { bigint: true });
    if (!stats.isFile()) return { kind: 'unusable', why: 'is not a file' };
    if (stats.size > maxFileBytes) return { kind: 'unusable', why: `is larger than ${maxFileBytes / 1024 / 1024} MB` };
    const stamp = `${stats.mtimeNs} ${stats.ctimeNs} ${stats.size} ${stats.ino}`;
    const before = cache.get(real);
    if (before?.stamp === stamp) return before.file;
    const file = decode(await readFile(real));
    cache.set(real, { stamp, file });
    return file;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' };
    return { kind: 'unusable', why: `can't be read (${code || String(error)})` };
  }
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
export function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
