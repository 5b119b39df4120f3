import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stripTypes } from './typescript-code.ts';

/**
 * Starts the process that runs blocks. Node would have to load its TypeScript compiler (30 ms, 18 MB) in each child to read our
 * files, so the worker does that once and hands the child its program through stdin, as plain JavaScript under the real names.
 */

const extension = extname(import.meta.filename);
const childFiles = [
  'typescript-child',
  'typescript-child-asking',
  'typescript-child-attempt',
  'typescript-child-channel',
  'typescript-child-current',
  'typescript-child-errors',
  'typescript-child-inputs',
  'typescript-child-json',
  'typescript-child-leaks',
  'typescript-child-logs',
  'typescript-child-modules',
  'typescript-child-outputs',
  'typescript-child-rows',
  'typescript-child-run',
  'typescript-child-usage',
  'typescript-code',
  'typescript-group',
  'typescript-protocol',
  '../../block',
  '../../outputs/table-file',
].map((name) => join(import.meta.dirname, name + extension));

/** Starts a child in a session of its own; descriptor 3 is the channel. */
export function launchChild(projectDir: string, env: NodeJS.ProcessEnv): ChildProcess {
  // The arguments after '-' are for people who look at a list of processes, and for the child to know its project.
  const args = ['--disable-warning=ExperimentalWarning', '-', projectDir];
  const child = spawn(process.execPath, args, {
    cwd: dirname(projectDir),
    env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => {}); // It died at once; 'exit' tells.
  child.stdin?.end(program());
  return child;
}

/** The environment of blocks: the server's own, without what only the server should know. */
export function blockEnvironment(env: NodeJS.ProcessEnv, projectDir: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !isOurs(name));
  return { ENV: 'prod', ...Object.fromEntries(kept), MAGE_RUNTIME__REPO_PATH: projectDir };
}

function isOurs(name: string): boolean {
  return name === 'DATABASE_URL' || name.startsWith('PENSTOCK_') || name.startsWith('NODE_CHANNEL_');
}

let cachedProgram: string | null = null;

function program(): string {
  cachedProgram ??= buildProgram();
  return cachedProgram;
}

function buildProgram(): string {
  const sources = childFiles.map((file) => {
    const code = readFileSync(file, 'utf8');
    return [pathToFileURL(file).href, extension === '.ts' ? stripTypes(code, file) : code];
  });
  // Closing stdin makes Node open process.stderr, whose handle would count as something that each block left open.
  return `
    for (const name of ['stdout', 'stderr']) Object.defineProperty(process, name, { configurable: true, value: null });
    const sources = new Map(${JSON.stringify(sources)});
    require('node:module').registerHooks({
      load: (url, context, next) => {
        const source = sources.get(url);
        return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true };
      },
    });
    import(${JSON.stringify(pathToFileURL(childFiles[0] ?? '').href)});
  `;
}
