import { chownSync, mkdtempSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const prefix = 'penstock-';

/** A socket's whole path must stay below 104 bytes (macOS; 108 on Linux). The file's own name takes 15 of them. */
const longestDirectory = 80;

/**
 * Makes a directory for the Unix socket that only the owner of `cluster` may enter, and root, and links it from `link`.
 * It lies in the temporary directory because a data directory's path may be too long for a socket, or on a disk
 * that can't hold one. What the last server left there is removed.
 */
export function makeSocketDirectory(link: string, cluster: string): string {
  removeSocketDirectory(link);
  const parent = Buffer.byteLength(tmpdir()) + prefix.length + 7 > longestDirectory ? '/tmp' : tmpdir();
  const directory = mkdtempSync(join(parent, prefix));
  const owner = statSync(cluster);
  if (owner.uid !== process.getuid?.()) chownSync(directory, owner.uid, owner.gid);
  symlinkSync(directory, link);
  return directory;
}

/** Removes the link and the socket directory behind it. */
export function removeSocketDirectory(link: string): void {
  try {
    const directory = readlinkSync(link);
    if (basename(directory).startsWith(prefix)) rmSync(directory, { recursive: true, force: true });
  } catch {
    // There was none.
  }
  rmSync(link, { force: true });
}
