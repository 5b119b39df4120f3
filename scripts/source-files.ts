import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A source file; `path` is relative to src/, with forward slashes. */
export type SourceFile = { readonly path: string; readonly text: string };

const src = fileURLToPath(new URL('../src', import.meta.url));

/** Every TypeScript file below src/. */
export function readSourceFiles(): readonly SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({ path: path.split(sep).join('/'), text: readFileSync(join(src, path), 'utf8') }));
}
