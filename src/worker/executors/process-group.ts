import { getPriority, setPriority } from 'node:os';

/** Sends a signal to every process of a group; false when none is left. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/** Kills a group and waits until the kernel knows it no more, at most `patienceMs`. */
export async function endGroup(group: number, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (signalGroup(group, 'SIGKILL') && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How much nicer blocks are than the server. Five steps leave it three quarters of a processor that both want. */
export const politeness = 5;
const nicest = 19;

/**
 * Makes a process of blocks that was just started, and all that it starts, give way to the server and its database: who watches or
 * stops a block that takes every processor is answered all the same. Where the system refuses, it stays as it is.
 */
export function giveWay(pid: number): void {
  try {
    setPriority(pid, Math.min(getPriority() + politeness, nicest));
  } catch {
    // It is gone already, or nobody may do this here.
  }
}
