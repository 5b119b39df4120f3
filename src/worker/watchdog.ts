/**
 * When the server is killed, nothing of it may live on: not a block's process, not what that process started, not an
 * embedded Postgres. No handler runs at a SIGKILL, so the promise is kept by another process: a shell of about 1 MB in a
 * session of its own that reads from a pipe. When the server is gone the kernel closes the pipe, and the shell kills.
 *
 * A process that left its group (a daemon, a session of its own) is known by the mark that all of them find in their environment
 * (Linux; elsewhere only groups are known).
 *
 * The write end must be close-on-exec (Node opens it so): if a block inherited it, the end of the pipe would never come.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Watchdog } from './executor.ts';

/** A running watchdog. */
export type RunningWatchdog = Watchdog & {
  /** From now on the Postgres with this postmaster is shut down at once (SIGQUIT) when this process dies; null: none. */
  readonly guardPostmaster: (pid: number | null) => void;
  /** To be put into the environment of whatever runs a project's code. */
  readonly mark: Readonly<Record<string, string>>;
  /** Ends the watchdog in peace: what is still guarded or marked is killed, the postmaster is left alone. */
  readonly stop: () => Promise<void>;
};

const script = `
trap '' INT TERM HUP QUIT PIPE
echo ready
groups=' '
postmaster=
while read -r line; do
  case $line in
    +*) groups="$groups\${line#+} " ;;
    -*) gone=\${line#-}
        case $groups in *" $gone "*) groups="\${groups%%" $gone "*} \${groups#*" $gone "}" ;; esac ;;
    P*) postmaster=\${line#P} ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
[ -z "$postmaster" ] || kill -3 "$postmaster" 2>/dev/null
for look in 1 2 3 4 5; do
  marked=$(grep -lsF "$1" /proc/[0-9]*/environ)
  [ -n "$marked" ] || break
  for place in $marked; do
    pid=\${place#/proc/}
    kill -9 "\${pid%/environ}"
  done
done 2>/dev/null
exit 0
`;

/** Not one of the names that are kept from blocks. It tells them nothing but whose they are. */
const markName = '_PENSTOCK_FAMILY';
const slowestRestartMs = 1000;
/** A group that is gone may stay guarded for so long: then it is told together with others, and the shell wakes less often. */
const releaseDelayMs = 50;

/** Starts the watchdog of this process; rejects when there is no `sh` to run. */
export async function startWatchdog(): Promise<RunningWatchdog> {
  const guarded = new Set<number>();
  let postmaster: number | null = null;
  let stopping = false;
  let restartDelayMs = 0;
  let released: number[] = [];
  let releaseTimer: NodeJS.Timeout | undefined;
  const family = randomBytes(16).toString('hex');
  let shell = await startShell(family);

  function tell(line: string): void {
    const lines = [...released.map((group) => `-${group}`), line];
    released = [];
    clearTimeout(releaseTimer);
    releaseTimer = undefined;
    // A pipe with room takes this at once, before write() returns: what is said is safe from our own death.
    if (shell.stdin?.writable) shell.stdin.write(`${lines.join('\n')}\n`);
  }

  function tellEverything(): void {
    for (const group of guarded) tell(`+${group}`);
    if (postmaster !== null) tell(`P${postmaster}`);
  }

  function keepAlive(): void {
    const startedAt = performance.now();
    shell.once('exit', () => {
      if (stopping) return;
      // One that lived is replaced at once; one that can't live is tried once a second.
      restartDelayMs = performance.now() - startedAt > slowestRestartMs ? 0 : restartDelayMs;
      setTimeout(restart, restartDelayMs).unref();
      restartDelayMs = Math.min(slowestRestartMs, restartDelayMs + 200);
    });
  }

  function restart(): void {
    if (stopping) return;
    startShell(family).then(
      (started) => {
        shell = started;
        if (stopping) {
          shell.stdin?.end();
          return;
        }
        keepAlive();
        tellEverything();
      },
      () => setTimeout(restart, slowestRestartMs).unref(),
    );
  }

  keepAlive();
  return {
    mark: { [markName]: family },
    guard: (...groups) => {
      for (const group of groups) guarded.add(group);
      tell(groups.map((group) => `+${group}`).join('\n'));
    },
    release: (group) => {
      if (!guarded.delete(group)) return;
      released.push(group);
      releaseTimer ??= setTimeout(() => tell(''), releaseDelayMs).unref();
    },
    guardPostmaster: (pid) => {
      postmaster = pid;
      tell(`P${pid ?? ''}`);
    },
    stop: async () => {
      if (stopping) return;
      stopping = true;
      postmaster = null;
      tell('P');
      const ended = shell.exitCode === null && shell.signalCode === null ? onceExited(shell) : null;
      shell.stdin?.end();
      await ended;
    },
  };
}

function startShell(family: string): Promise<ChildProcess> {
  // The environment is empty so that nothing secret stands in /proc/<pid>/environ of a process that needs none of it.
  const shell = spawn('/bin/sh', ['-c', script, 'penstock-watchdog', `${markName}=${family}`], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {},
    cwd: '/',
  });
  shell.stdin?.on('error', () => {}); // It died; 'exit' brings the next one.
  return new Promise((resolve, reject) => {
    // Ready means that its traps are set: from then on a Ctrl-C in the terminal can't end it.
    shell.stdout.once('data', () => {
      shell.stdout.destroy();
      shell.unref();
      (shell.stdin as Socket).unref();
      resolve(shell);
    });
    shell.once('error', reject);
    shell.once('exit', () => reject(new Error('The watchdog (/bin/sh) ended at once.')));
  });
}

function onceExited(shell: ChildProcess): Promise<void> {
  shell.ref();
  return new Promise((resolve) => shell.once('exit', () => resolve()));
}
