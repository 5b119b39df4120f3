import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/**
 * A look at the kernel's count of processes killed for want of memory: our cgroup's count where there is one, else the
 * machine's. It costs a few microseconds, so it can be taken at the start of every attempt and compared at its end.
 */
export type OutOfMemoryCounter = { readonly read: () => number; readonly close: () => void };

/** Opens the nearest counter; where the system has none (macOS) it always reads 0. */
export function openOutOfMemoryCounter(): OutOfMemoryCounter {
  for (const path of candidates()) {
    const counter = tryOpen(path);
    if (counter) return counter;
  }
  return { read: () => 0, close: () => {} };
}

function candidates(): readonly string[] {
  const paths: string[] = [];
  for (const line of readText('/proc/self/cgroup').split('\n')) {
    const [, controllers, path] = line.split(':');
    if (path === undefined) continue;
    if (controllers === '') paths.push(`/sys/fs/cgroup${path}/memory.events`, '/sys/fs/cgroup/memory.events');
    else if (controllers?.split(',').includes('memory')) {
      paths.push(`/sys/fs/cgroup/memory${path}/memory.oom_control`, '/sys/fs/cgroup/memory/memory.oom_control');
    }
  }
  return [...paths, '/proc/vmstat'];
}

function tryOpen(path: string): OutOfMemoryCounter | null {
  if (parse(readText(path)) === null) return null;
  const file = openSync(path, 'r');
  const buffer = Buffer.alloc(16 * 1024);
  return {
    read: () => parse(buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0))) ?? 0,
    close: () => closeSync(file),
  };
}

function parse(text: string): number | null {
  const found = /^oom_kill (\d+)$/m.exec(text);
  return found ? Number(found[1]) : null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
