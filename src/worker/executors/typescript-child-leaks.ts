import childProcess from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { Worker } from 'node:worker_threads';
import { groupHasOthers } from './typescript-group.ts';

/**
 * What an attempt leaves behind decides whether its process may run another one. The checks cost about a microsecond,
 * because the rare things announce themselves: the few calls that start processes, write to a descriptor past our capture,
 * or change the process are wrapped, and set a flag.
 */
const flags = { startedProcesses: false, wroteToDescriptor: false, changedProcess: '' };
let nativeCode = false;
let listeners = 0;
let threads = 0;

/** Wraps those calls. Once, before any block is loaded. */
export function watchForLeaks(): void {
  wrap(childProcess.ChildProcess.prototype as object, 'spawn', () => noteProcess());
  for (const name of ['spawnSync', 'execSync', 'execFileSync']) wrap(childProcess, name, () => noteProcess());
  for (const name of ['write', 'writeSync', 'writev', 'writevSync', 'createWriteStream']) {
    wrap(fs, name, (target, options) => {
      const fd = typeof target === 'number' ? target : (options as { fd?: unknown } | undefined)?.fd;
      if (fd === 1 || fd === 2) flags.wroteToDescriptor = true;
    });
  }
  wrap(process, 'chdir', () => {
    flags.changedProcess = 'changed the working directory';
  });
  wrap(process, 'dlopen', () => {
    nativeCode = true;
  });
  syncBuiltinESMExports();
  subscribe('worker_threads', (message) => {
    threads++;
    (message as { readonly worker: Worker }).worker.once('exit', () => threads--);
  });
  process.env = watchedEnvironment();
  listeners = process.eventNames().length;
}

/** Whether text may be on its way that did not pass our capture of stdout and stderr. */
export function rawOutputIsPossible(): boolean {
  return nativeCode || flags.startedProcesses || flags.wroteToDescriptor;
}

export function startedProcesses(): boolean {
  return flags.startedProcesses;
}

/** What was left behind by the attempt that just ended, as the end of a sentence; null when the process is as it was. */
export function findLeak(): string | null {
  if (flags.startedProcesses && groupHasOthers(process.pid)) return 'left processes running';
  if (flags.changedProcess) return flags.changedProcess;
  if (process.eventNames().length > listeners) return 'left listeners on process';
  const open = [...process.getActiveResourcesInfo(), ...Array(threads).fill('Worker')];
  return open.length > 0 ? `left something open (${[...new Set(open)].join(', ')})` : null;
}

/** Whether anything is open that may yet close by itself within a turn of the event loop. */
export function hasOpenResources(): boolean {
  return threads > 0 || process.getActiveResourcesInfo().length > 0;
}

/** Forgets what the last attempt did. */
export function resetLeakFlags(): void {
  flags.startedProcesses = false;
  flags.wroteToDescriptor = false;
  process.exitCode = undefined;
}

function noteProcess(): void {
  flags.startedProcesses = true;
}

function wrap(owner: object, name: string, note: (...args: readonly unknown[]) => void): void {
  const methods = owner as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[name];
  if (original === undefined) return;
  methods[name] = function wrapped(this: unknown, ...args: unknown[]) {
    note(...args);
    return Reflect.apply(original, this, args);
  };
}

/** The environment itself, so that TZ still works at once, behind a proxy that sees changes. */
function watchedEnvironment(): NodeJS.ProcessEnv {
  const changed = () => {
    flags.changedProcess = 'changed the environment';
  };
  return new Proxy(process.env, {
    set: (target, name, value) => {
      changed();
      return Reflect.set(target, name, value);
    },
    deleteProperty: (target, name) => {
      changed();
      return Reflect.deleteProperty(target, name);
    },
    defineProperty: (target, name, descriptor) => {
      changed();
      return Reflect.defineProperty(target, name, descriptor);
    },
  });
}
