import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { cli } from '../support/server-process.ts';

export type Role = 'api' | 'scheduler' | 'worker';

/** One process of Penstock in a role of its own. */
export type PenstockProcess = {
  readonly role: Role;
  readonly pid: number;
  readonly dataDir: string;
  /** null while it lives; else how it ended. */
  readonly ending: () => string | null;
  readonly signal: (name: NodeJS.Signals) => void;
  /** Kills it if need be; resolves when it is gone. */
  readonly kill: () => Promise<void>;
};

/** Starts one; resolves when it is ready, rejects when it ends before. What it says goes to the log file. */
export async function startPenstock(
  role: Role,
  options: {
    readonly projectDir: string;
    readonly dataDir: string;
    readonly databaseUrl: string;
    readonly log: string;
    readonly flags?: readonly string[];
  },
): Promise<PenstockProcess> {
  const { projectDir, dataDir, databaseUrl, log, flags = [] } = options;
  const child = spawn(
    cli.command,
    [
      cli.main,
      'serve',
      projectDir,
      '--role',
      role,
      '--data-dir',
      dataDir,
      '--database-url',
      databaseUrl,
      '--port',
      '0',
      '--grace',
      '1',
    ].concat(flags),
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  const ending = () => child.signalCode ?? (child.exitCode === null ? null : `exit ${child.exitCode}`);
  const started: PenstockProcess = {
    role,
    pid: child.pid ?? 0,
    dataDir,
    ending,
    signal: (name) => {
      child.kill(name);
    },
    kill: () => kill(child, ending),
  };
  await new Promise<void>((ready, reject) => {
    let said = '';
    const read = (chunk: Buffer) => {
      said += chunk.toString();
      appendFileSync(log, chunk.toString().replace(/^(?=.)/gm, `${role} ${child.pid}: `));
      if (/^ready/m.test(said)) ready();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`A ${role} ended (${ending()}) before it was ready:\n${said}`)));
  });
  return started;
}

async function kill(child: ChildProcess, ending: () => string | null): Promise<void> {
  if (ending() !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
