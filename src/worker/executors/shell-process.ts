import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import type { Watchdog } from '../executor.ts';
import { politeness, signalGroup } from './process-group.ts';
import { cpuTimeOf, watchPeakMemory } from './shell-usage.ts';
import { groupHasOthers } from './typescript-group.ts';

/**
 * A script in a bash of its own, below a bash of ours that leads the process group. Ours outlives a SIGTERM, so that it can tell
 * the CPU time of everything below it; it holds its ears shut for the script's sake only, since a trap is not inherited.
 */
const wrapper = `trap : TERM INT HUP
nice -n ${politeness} bash -euo pipefail -c "$1" "$2" 3>&-
code=$?
times >&3
exit "$code"`;

/** How a script ended. */
export type ShellEnd = {
  /** 128 + n when signal n ended the script or the command it failed by, as shells have it. */
  readonly exitCode: number | null;
  /** Of our own bash: somebody killed the whole group. */
  readonly signal: NodeJS.Signals | null;
  readonly cpuTimeMs: number | null;
  readonly maxRssBytes: number | null;
};

export type ShellProcess = {
  readonly pid: number;
  /** Settles when its output is read to the end and its group is gone. Never rejects. */
  readonly end: Promise<ShellEnd>;
  /** SIGTERM to the group, SIGKILL to what is left of it after `graceMs`. Called again, it can only shorten the grace. */
  readonly stop: (graceMs: number) => void;
};

/** How long a process that left the group may hold the pipes open. */
const pipePatienceMs = 500;
const groupPatienceMs = 1_000;
const lookMs = 20;
const memoryLookMs = 1_000;

/** Starts the script. Rejects when there is no bash, or when its environment is too large. */
export async function startShell(
  script: {
    readonly code: string;
    readonly file: string;
    readonly projectDir: string;
    readonly env: NodeJS.ProcessEnv;
  },
  watchdog: Watchdog,
  onBytes: (stream: 'stdout' | 'stderr', bytes: Buffer) => void,
): Promise<ShellProcess> {
  const child = spawn('bash', ['-c', wrapper, 'penstock-shell', script.code, script.file], {
    cwd: dirname(script.projectDir),
    env: script.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const group = child.pid;
  if (group === undefined) throw await new Promise((resolve) => child.once('error', resolve));
  watchdog.guard(group);
  const memory = watchPeakMemory(group, memoryLookMs);
  let times = '';
  let killAt = Number.POSITIVE_INFINITY;
  let stopped = false;
  child.stdout?.on('data', (bytes: Buffer) => onBytes('stdout', bytes));
  child.stderr?.on('data', (bytes: Buffer) => onBytes('stderr', bytes));
  (child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    times += text;
  });

  const exited = new Promise<Pick<ShellEnd, 'exitCode' | 'signal'>>((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
  });

  /** Who was told to stop may take its time, also when the one that started it is gone already. */
  async function leaveTheRestItsGrace(leader: number): Promise<void> {
    while (stopped && performance.now() < killAt && groupHasOthers(leader)) await pause(lookMs);
  }

  async function untilGone(leader: number): Promise<ShellEnd> {
    const end = await exited;
    const maxRssBytes = memory.stop();
    await leaveTheRestItsGrace(leader);
    clearTimeout(killTimer);
    await groupGone(leader);
    watchdog.release(leader);
    const timer = setTimeout(() => {
      for (const stream of child.stdio) stream?.destroy();
    }, pipePatienceMs);
    await closed;
    clearTimeout(timer);
    return { ...end, cpuTimeMs: cpuTimeOf(times), maxRssBytes };
  }

  let killTimer: NodeJS.Timeout | undefined;
  let over = false;
  const end = untilGone(group).finally(() => {
    over = true;
  });
  return {
    pid: group,
    end,
    stop: (graceMs) => {
      if (over) return;
      stopped = true;
      signalGroup(group, 'SIGTERM');
      const deadline = performance.now() + graceMs;
      if (deadline >= killAt) return;
      killAt = deadline;
      clearTimeout(killTimer);
      killTimer = setTimeout(() => signalGroup(group, 'SIGKILL'), graceMs);
    },
  };
}

async function groupGone(group: number): Promise<void> {
  const deadline = performance.now() + groupPatienceMs;
  while (signalGroup(group, 'SIGKILL') && groupHasOthers(group) && performance.now() < deadline) await pause(2);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
