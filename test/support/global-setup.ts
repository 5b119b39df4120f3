import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { removeSocketDirectory } from '../../src/store/embedded/socket-directory.ts';
import { startTemplateServer, type TemplateServer } from './template-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A socket that answers with the ConnectionSettings of the migrated template, or with an error. */
    templateDoor: string;
  }
}

const prefix = 'penstock-tests-';

/** One Postgres for the whole run, which is started when the first test asks for it: most files need none. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  removeWhatAbortedRunsLeft();
  const directory = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  let started: Promise<TemplateServer> | undefined;
  const door = createServer(async (socket) => {
    socket.on('error', () => {});
    started ??= startTemplateServer(directory);
    socket.end(
      JSON.stringify(
        await started.then(
          ({ template }) => ({ template }),
          (error) => ({ error: String(error) }),
        ),
      ),
    );
  });
  const path = join(directory, 'door');
  await new Promise<void>((resolve) => door.listen(path, resolve));
  project.provide('templateDoor', path);

  return async () => {
    door.close();
    await started?.then(({ stop }) => stop()).catch(() => {});
    rmSync(directory, { recursive: true, force: true });
  };
}

/** Their Postgres ended with them; their directories are still there. */
function removeWhatAbortedRunsLeft(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || lives(pid)) continue;
    removeSocketDirectory(join(tmpdir(), name, 'postgres/socket'));
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
