import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const directory = import.meta.dirname;
const lockFile = 'package-lock.json';

/** True when the peers' packages are there in the versions of their lock file. */
export async function arePeersInstalled(): Promise<boolean> {
  const installed = join(directory, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const [wanted, present] = await Promise.all([versions(join(directory, lockFile)), versions(installed)]);
  return [...present].every(([path, version]) => wanted.get(path) === version);
}

/** Installs the peers' packages where they are missing: 250 MB, most of it Restate's server. Rejects with npm's words. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  if (await arePeersInstalled()) return;
  say('installing the peers (test/bench/peers, about 250 MB, once)');
  // Their install scripts only report usage to their makers.
  await promisify(execFile)('npm', ['ci', '--prefix', directory, '--ignore-scripts', '--no-audit', '--no-fund']);
}

type LockFile = { readonly packages: Readonly<Record<string, { readonly version?: string }>> };

/** By the package's place in node_modules. A lock file lists every platform's packages, an installation only its own. */
async function versions(path: string): Promise<ReadonlyMap<string, string | undefined>> {
  const { packages } = JSON.parse(await readFile(path, 'utf8')) as LockFile;
  return new Map(Object.entries(packages).map(([name, { version }]) => [name, version]));
}
