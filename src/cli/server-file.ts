import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const shape = z.object({ url: z.string(), token: z.string().nullable(), pid: z.number() });

/** What local tools need to reach the server of a data directory. `token` is null under --no-auth. */
export type ServerFile = z.infer<typeof shape>;

/** Writes `<data-dir>/server.json`, readable by its owner only; whole or not at all. */
export function writeServerFile(dataDir: string, content: ServerFile): void {
  const path = join(dataDir, 'server.json');
  const unfinished = `${path}.${content.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  chmodSync(unfinished, 0o600);
  renameSync(unfinished, path);
}

/** Reads the file of a data directory; null when there is none or it can't be understood. */
export function readServerFile(dataDir: string): ServerFile | null {
  try {
    return shape.parse(JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')));
  } catch {
    return null;
  }
}

/** Takes the file away, if it is still this process' own. */
export function removeServerFile(dataDir: string, pid: number): void {
  if (readServerFile(dataDir)?.pid === pid) rmSync(join(dataDir, 'server.json'), { force: true });
}
