import { readFileSync } from 'node:fs';

/** Milliseconds of CPU from what bash's `times` prints: user and system time of the shell and of its children. */
export function cpuTimeOf(times: string): number | null {
  const found = [...times.matchAll(/(\d+)m(\d+)[.,](\d{3})s/g)];
  if (found.length === 0) return null;
  return found.reduce(
    (sum, [, minutes, seconds, ms]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(ms),
    0,
  );
}

/**
 * Looks again and again at the largest process of a group, by the kernel's own high-water mark; null where there is no /proc or
 * no look came in time. No wait4 tells Node what a grandchild used.
 */
export function watchPeakMemory(group: number, everyMs: number): { readonly stop: () => number | null } {
  let peak: number | null = null;
  const look = () => {
    for (const pid of membersOf(group)) {
      const bytes = highWaterMark(pid);
      if (bytes !== null) peak = Math.max(peak ?? 0, bytes);
    }
  };
  const first = setTimeout(look, Math.min(20, everyMs)).unref();
  const timer = setInterval(look, everyMs).unref();
  return {
    stop: () => {
      clearTimeout(first);
      clearInterval(timer);
      return peak;
    },
  };
}

/** The leader and what descends from it; a process that left the group is not ours to count. */
function membersOf(leader: number): readonly number[] {
  const found = [leader];
  for (const pid of found) {
    const children = readText(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
    found.push(...children);
  }
  return found;
}

function highWaterMark(pid: number): number | null {
  const found = /^VmHWM:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`));
  return found ? Number(found[1]) * 1024 : null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
