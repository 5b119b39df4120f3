import { spawn } from 'node:child_process';
import { cli } from './server-process.ts';

/** What a command of the CLI said and how it ended. */
export type Said = { readonly code: number | NodeJS.Signals; readonly out: string; readonly error: string };

/** Runs `penstock …` to its end, in a process of its own whose output is no terminal. `env` goes before this process' own. */
export async function penstock(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const child = spawn(cli.command, [cli.main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    error += chunk;
  });
  const code = await new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0)),
  );
  return { code, out, error };
}
