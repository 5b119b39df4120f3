import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time and memory of a process and everything below it, read from /proc. Elsewhere than on Linux nothing is known,
 * and the results say so with null.
 */
export type Usage = {
  /** Microseconds on a CPU since the processes began, finished children that were waited for included. */
  readonly cpuMicros: number;
  /** Sum of each process' highest resident memory; pages that they share are counted once per process. */
  readonly peakRssBytes: number;
};

/** Clock ticks per second in /proc: a constant of Linux' interface to user space (USER_HZ). */
const ticksPerSecond = 100;

/** Usage of the tree under `pid`; null when /proc can't be read or the process is gone. */
export function usageOfTree(pid: number): Usage | null {
  const processes = treeOf(pid);
  if (processes.length === 0) return null;
  return {
    cpuMicros: processes.reduce((sum, process) => sum + process.cpuMicros, 0),
    peakRssBytes: processes.reduce((sum, process) => sum + peakRssBytes(process.pid), 0),
  };
}

type Process = { readonly pid: number; readonly parent: number; readonly cpuMicros: number };

function treeOf(root: number): Process[] {
  const all = readProcesses();
  const tree = all.filter((process) => process.pid === root);
  for (let next = tree[0], i = 0; next !== undefined; next = tree[++i]) {
    const parent = next.pid;
    tree.push(...all.filter((process) => process.parent === parent));
  }
  return tree;
}

function readProcesses(): Process[] {
  const names = attempt(() => readdirSync('/proc')) ?? [];
  return names.flatMap((name) => (/^\d+$/.test(name) ? (attempt(() => readProcess(Number(name))) ?? []) : []));
}

function readProcess(pid: number): Process {
  // The command's name stands in parentheses and may hold anything, so fields are counted after the last one.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (index: number) => Number(fields[index]);
  const finishedChildren = ((field(13) + field(14)) * 1e6) / ticksPerSecond;
  const own = threadMicros(pid) ?? ((field(11) + field(12)) * 1e6) / ticksPerSecond;
  return { pid, parent: field(1), cpuMicros: own + finishedChildren };
}

/** The scheduler's own account in nanoseconds: a round of a second over a dozen processes is too short for 10 ms ticks. */
function threadMicros(pid: number): number | undefined {
  return attempt(() => {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanos = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]));
    return nanos.reduce((sum, value) => sum + value, 0) / 1000;
  });
}

function peakRssBytes(pid: number): number {
  const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Processes come and go while they are listed: what can't be read any more is not there. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
