import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The CLI, as a user runs it. */
export const cli = { command: process.execPath, main } as const;

/** `penstock serve` in a process of its own, with everything real. */
export type ServerProcess = {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** All that it printed so far. */
  readonly printed: () => string;
  readonly query: <Data = Record<string, never>>(query: string, variables?: Record<string, unknown>) => Promise<Data>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Settles with the exit code or signal, once the process is gone. */
  readonly gone: Promise<number | NodeJS.Signals>;
};

/** Starts a server and waits until it says that it is ready. Rejects with what it printed when it ends before. */
export async function startServerProcess(
  projectDir: string,
  dataDir: string,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const child = spawn(cli.command, [main, 'serve', projectDir, '--port', '0', '--data-dir', dataDir, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let printed = '';
  const gone = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0)),
  );
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk.toString();
      if (/^ready /m.test(printed)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    gone.then((how) => reject(new Error(`the server ended (${how}) before it was ready:\n${printed}`)));
  });
  const { url, token } = JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')) as {
    url: string;
    token: string;
  };
  return {
    url,
    token,
    pid: pidOf(child),
    printed: () => printed,
    query: (query, variables = {}) => ask(url, token, query, variables),
    kill: (signal) => {
      child.kill(signal);
    },
    gone,
  };
}

/** Sends one GraphQL operation and answers with its data; throws what the errors say. */
async function ask<Data>(url: string, token: string, query: string, variables: Record<string, unknown>): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await response.json()) as { data?: Data; errors?: readonly { message: string }[] };
  if (answer.errors) throw new Error(answer.errors.map((error) => error.message).join('\n'));
  return answer.data as Data;
}

/** A project folder with the given files, in a temporary directory that nobody but its owner may enter. */
export function writeProject(files: Readonly<Record<string, string>>): {
  readonly dir: string;
  readonly remove: () => void;
} {
  const root = mkdtempSync(join(tmpdir(), 'penstock-story-'));
  writeFiles(join(root, 'project'), { 'metadata.yaml': 'project_type: standalone\n', ...files });
  return { dir: root, remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Writes files into a folder, and makes the folders that they need. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the server has no pid');
  return child.pid;
}
