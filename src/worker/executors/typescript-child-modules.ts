import { readFileSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BlockMistake } from './typescript-child-errors.ts';
import { syntaxErrorIn } from './typescript-code.ts';
import type { BlockSource } from './typescript-protocol.ts';

/**
 * Loads blocks: the code comes from the worker and is run under the URL of its file, so that its imports and its stack traces
 * are those of the file. A module is evaluated once per process and called many times; what a process can't do is run two
 * versions of one file, so it tells when it is stale.
 */
export type BlockModules = {
  /** The module's exports. Rejects with what its evaluation threw. */
  readonly load: (file: string, source: BlockSource | null) => Promise<ModuleExports>;
  /** Whether a block's module was evaluated. One that failed can't be tried again in this process. */
  readonly has: (file: string) => boolean;
  /** Whether a file that this block imports has changed since it was loaded here. */
  readonly isStale: (file: string, isNew: boolean) => boolean;
};

export type ModuleExports = { readonly [name: string]: unknown };

export function createBlockModules(): BlockModules {
  const sources = new Map<string, BlockSource>();
  const loaded = new Map<string, ModuleExports>();
  const files = createImportedFiles();
  const publishedTypes = new URL('../../block.ts', import.meta.url).href;

  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === 'penstock/block') return { url: publishedTypes, shortCircuit: true };
      if (sources.has(specifier)) return { url: specifier, shortCircuit: true };
      const resolved = next(specifier, context);
      if (context.parentURL !== undefined) files.note(context.parentURL, resolved.url);
      return resolved;
    },
    load: (url, context, next) => {
      const source = sources.get(url);
      if (source === undefined) return next(url, context);
      return { format: source.format, source: source.text, shortCircuit: true };
    },
  });

  async function importModule(url: string): Promise<unknown> {
    try {
      return await import(url);
    } catch (error) {
      throw error instanceof SyntaxError ? (findSyntaxError(url) ?? error) : error;
    }
  }

  /** V8 keeps the place of a syntax error to itself, so the compiler looks for it in the block and in what it imports. */
  function findSyntaxError(blockUrl: string): BlockMistake | null {
    for (const url of [blockUrl, ...files.below(blockUrl)]) {
      const file = fileURLToPath(url);
      if (!/\.[cm]?[jt]s$/.test(file)) continue;
      const found = syntaxErrorIn(sources.get(url)?.text ?? readFileSync(file, 'utf8'), file);
      if (found) return new BlockMistake(found.type, found.message, found.stackTrace);
    }
    return null;
  }

  return {
    load: async (file, source) => {
      const url = urlOf(file);
      const known = loaded.get(url);
      if (known !== undefined && source === null) return known;
      if (source !== null) sources.set(url, source);
      const exports = (await importModule(url)) as ModuleExports;
      loaded.set(url, exports);
      return exports;
    },
    has: (file) => loaded.has(urlOf(file)),
    isStale: (file, isNew) => {
      const url = urlOf(file);
      return isNew ? files.wasImported(url) : files.haveChanged(url);
    },
  };
}

const urls = new Map<string, string>();

/** The URL of a file. Kept, because making one takes a tenth of the time of a block that does nothing. */
function urlOf(file: string): string {
  const known = urls.get(file);
  if (known !== undefined) return known;
  const url = pathToFileURL(file).href;
  urls.set(file, url);
  return url;
}

/** The project's own files that blocks import, with what the disk said of them when they were loaded. */
function createImportedFiles() {
  const imports = new Map<string, Set<string>>();
  const stamps = new Map<string, string>();
  const reachable = new Map<string, readonly string[]>();

  function filesBelow(url: string): readonly string[] {
    const known = reachable.get(url);
    if (known) return known;
    const found = new Set<string>();
    const visit = (from: string) => {
      for (const to of imports.get(from) ?? []) {
        if (found.has(to)) continue;
        found.add(to);
        visit(to);
      }
    };
    visit(url);
    reachable.set(url, [...found]);
    return [...found];
  }

  return {
    note(parent: string, url: string): void {
      // Installed packages change by being installed, which is no edit.
      if (!url.startsWith('file:') || url.includes('/node_modules/')) return;
      if (!stamps.has(url)) stamps.set(url, stamp(url));
      const known = imports.get(parent);
      if (known?.has(url)) return;
      if (known) known.add(url);
      else imports.set(parent, new Set([url]));
      reachable.clear();
    },
    below: filesBelow,
    wasImported: (url: string) => stamps.has(url),
    haveChanged: (url: string) => imports.has(url) && filesBelow(url).some((file) => stamp(file) !== stamps.get(file)),
  };
}

function stamp(url: string): string {
  const stat = statSync(new URL(url), { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs} ${stat.size}` : 'gone';
}
