import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Launcher } from './postgres-account.ts';
import { isPostmasterOf, processStart } from './process-identity.ts';

/** One running postmaster that we started. */
export type PostgresProcess = {
  readonly pid: number;
  /** Resolves when it has ended, with how it ended in words. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  /** Lets it keep our process alive from now on: for whoever waits for its end. */
  readonly hold: () => void;
  /** What it wrote to its log since it was started, at most the last `lines` lines. */
  readonly lastWords: (lines: number) => string;
};

/** Independent of the language and of any PG* variable that the caller's shell has set. */
const environment = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };

/** Makes a cluster in an empty directory. Rejects with what initdb said. */
export async function initializeCluster(launcher: Launcher, initdb: string, directory: string): Promise<void> {
  const [file, args] = launcher.command(initdb, [
    ...['--pgdata', directory, '--username', 'penstock', '--encoding', 'UTF8'],
    // Postgres' own Unicode rules: the order of names does not change with the operating system's library.
    ...['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ...['--auth-local', 'trust', '--auth-host', 'reject', '--no-instructions'],
  ]);
  await promisify(execFile)(file, args, { ...launcher.identity, env: environment, cwd: '/' });
}

/**
 * Starts a postmaster. It gets a session of its own, so that a Ctrl-C in the terminal reaches only us, and we stop it
 * last. It does not keep our process alive.
 */
export function spawnPostgres(
  launcher: Launcher,
  program: string,
  cluster: string,
  settings: Readonly<Record<string, string>>,
  log: string,
): PostgresProcess {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [file, args] = launcher.command(program, ['-D', cluster, ...flags]);
  const logFile = openSync(log, 'a', 0o600);
  const logStart = statSync(log).size;
  const child = spawn(file, args, {
    ...launcher.identity,
    env: environment,
    cwd: '/',
    detached: true,
    stdio: ['ignore', logFile, logFile],
  });
  closeSync(logFile);
  child.unref();
  const ended = endOf(child);
  return {
    pid: child.pid ?? -1,
    ended,
    hasEnded: () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null,
    hold: () => child.ref(),
    lastWords: (lines) => readFileSync(log).subarray(logStart).toString().trim().split('\n').slice(-lines).join('\n'),
  };
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
}

const fastShutdownMs = 3_000;
const immediateShutdownMs = 3_000;

/**
 * Ends a postmaster, ours or one left over: rolls back what is open (fast shutdown), after 3 s leaves the rest to
 * recovery at the next start (immediate shutdown), after 3 s more kills it.
 */
export async function stopPostmaster(pid: number): Promise<void> {
  const start = processStart(pid);
  const lives = () => start !== undefined && processStart(pid) === start;
  for (const [signal, patienceMs] of [
    ['SIGINT', fastShutdownMs],
    ['SIGQUIT', immediateShutdownMs],
    ['SIGKILL', immediateShutdownMs],
  ] as const) {
    if (!lives()) return;
    sendSignal(pid, signal);
    for (let waitedMs = 0; lives() && waitedMs < patienceMs; waitedMs += 10) await delay(10);
  }
}

/** Sends a signal to a process that may be gone already. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}

/**
 * The postmaster that an earlier server of ours left running on this cluster, if any. When the file that names it names
 * some other living process (pids are reused, in containers often), the file is removed: Postgres would refuse to start.
 */
export function leftoverPostmaster(cluster: string): number | undefined {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return undefined;
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  if (isPostmasterOf(cluster, pid)) return pid;
  // If that process is gone Postgres sees to the file itself, and then also to backends that the postmaster left.
  if (processStart(pid) !== undefined) rmSync(pidFile);
  return undefined;
}

/**
 * Whether the postmaster says that it takes connections: in the eighth line of its pid file, where pg_ctl looks too.
 * Trying to connect before would fill its log with refusals.
 */
export function isReady(cluster: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch {
    return false; // It is not there yet.
  }
}
