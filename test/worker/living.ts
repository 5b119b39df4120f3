import { readFileSync } from 'node:fs';

/** Whether a process runs; one that has ended but was not yet reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
  } catch {
    return process.platform !== 'linux';
  }
}

/** Waits until none of the processes runs; the ones that still do after `patienceMs`. */
export async function survivors(pids: readonly number[], patienceMs: number): Promise<readonly number[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const alive = pids.filter(isAlive);
    if (alive.length === 0 || performance.now() > deadline) return alive;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
