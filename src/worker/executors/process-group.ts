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
