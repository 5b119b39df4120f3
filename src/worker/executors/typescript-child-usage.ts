import { openSync, readFileSync, readSync, writeSync } from 'node:fs';

/**
 * What an attempt used. The kernel's own peak (getrusage) is of no use: it begins with the memory of the server that started
 * this process, and never falls. Linux can forget its peak, so each attempt has its own; a look and a reset take 10 µs.
 */
export type UsageMeter = {
  readonly start: () => void;
  readonly stop: (withChildren: boolean) => { readonly cpuTimeMs: number; readonly maxRssBytes: number | null };
};

/** Attempts shorter than this can't have moved memory by much: they repeat the last reading. */
const worthALookMs = 1;
/** Linux counts a child's CPU time in ticks of 10 ms, whatever the machine. */
const tickMs = 10;

export function createUsageMeter(): UsageMeter {
  const peak = openPeak();
  let startedAt = 0;
  let cpuBefore = process.cpuUsage();
  let lastPeak = peak?.readAndReset() ?? null;
  return {
    start: () => {
      startedAt = performance.now();
      cpuBefore = process.cpuUsage();
    },
    stop: (withChildren) => {
      const cpu = process.cpuUsage(cpuBefore);
      if (performance.now() - startedAt >= worthALookMs) lastPeak = peak?.readAndReset() ?? process.memoryUsage.rss();
      const children = withChildren ? childrenCpuMs() : 0;
      return { cpuTimeMs: (cpu.user + cpu.system) / 1000 + children, maxRssBytes: lastPeak };
    },
  };
}

function openPeak(): { readonly readAndReset: () => number | null } | null {
  try {
    const status = openSync('/proc/self/status', 'r');
    const reset = openSync('/proc/self/clear_refs', 'w');
    const buffer = Buffer.alloc(4096);
    return {
      readAndReset: () => {
        const text = buffer.toString('latin1', 0, readSync(status, buffer, 0, buffer.length, 0));
        writeSync(reset, '5');
        const kilobytes = /VmHWM:\s+(\d+)/.exec(text)?.[1];
        return kilobytes === undefined ? null : Number(kilobytes) * 1024;
      },
    };
  } catch {
    return null;
  }
}

let childrenBefore = 0;

/** CPU time of the processes that the block started and that have ended. */
function childrenCpuMs(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    // After the name in parentheses: state is field 3, cutime and cstime are 16 and 17.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const total = (Number(fields[13]) + Number(fields[14])) * tickMs;
    const used = total - childrenBefore;
    childrenBefore = total;
    return used;
  } catch {
    return 0;
  }
}
