import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { startWatchdog } from '../../src/worker/watchdog.ts';
import { isAlive, survivors } from './living.ts';

const spawned: ChildProcess[] = [];

afterEach(() => {
  for (const child of spawned.splice(0)) killWithGroup(child.pid ?? 0);
});

/** Also what a failing test left behind: the leader may be dead while its group lives. */
function killWithGroup(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // Gone, or no leader of a group.
    }
  }
}

/** A group of two processes: a shell and its sleep. */
async function startGroup(): Promise<{ leader: number; member: number }> {
  const shell = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  spawned.push(shell);
  const [line] = await once(createInterface({ input: shell.stdout }), 'line');
  return { leader: shell.pid ?? 0, member: Number(line) };
}

/** Pids of this process's watchdog shells. */
function watchdogs(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
        return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('penstock-watchdog');
      } catch {
        return false;
      }
    });
}

describe('the watchdog', () => {
  test('kills every guarded group within a second when its server is killed, and shuts Postgres down', async () => {
    const released = await startGroup();
    const guarded = [await startGroup(), await startGroup()];
    const postmaster = spawn('sh', ['-c', 'trap "echo quit; exit 0" QUIT; echo up; while :; do sleep 0.02; done']);
    spawned.push(postmaster);
    const postmasterLines = createInterface({ input: postmaster.stdout });
    await once(postmasterLines, 'line');

    const doomed = spawn(process.execPath, [join(import.meta.dirname, 'doomed-watchdog.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    spawned.push(doomed);
    const groups = guarded.map((group) => group.leader);
    doomed.stdin.write(`${JSON.stringify({ groups, released: released.leader, postmaster: postmaster.pid })}\n`);
    const [line] = await once(createInterface({ input: doomed.stdout }), 'line');
    const { unguardedChild, hidden } = JSON.parse(String(line)) as { unguardedChild: number; hidden: number };

    const quit = once(postmasterLines, 'line');
    const killedAt = performance.now();
    doomed.kill('SIGKILL');
    const left = await survivors(
      [...guarded.flatMap(({ leader, member }) => [leader, member]), ...(process.platform === 'linux' ? [hidden] : [])],
      1000,
    );
    expect(left).toEqual([]);
    expect(performance.now() - killedAt).toBeLessThan(1000);
    expect(String((await quit)[0])).toBe('quit');
    expect(isAlive(released.leader)).toBe(true);
    // It lives, so it did not hold the watchdog's pipe open: otherwise nothing would have been killed.
    expect(isAlive(unguardedChild)).toBe(true);
    process.kill(unguardedChild, 'SIGKILL');
    process.kill(-released.leader, 'SIGKILL');
  });

  test.runIf(process.platform === 'linux')('is replaced when it dies, and the new one knows everything', async () => {
    const watchdog = await startWatchdog();
    const { leader, member } = await startGroup();
    watchdog.guard(leader);
    const [first] = watchdogs();
    process.kill(first ?? 0, 'SIGKILL');
    await expect.poll(() => watchdogs().filter((pid) => pid !== first).length).toBe(1);
    expect(isAlive(leader)).toBe(true);
    await watchdog.stop();
    expect(await survivors([leader, member], 1000)).toEqual([]);
    expect(watchdogs()).toEqual([]);
  });

  test.runIf(process.platform === 'linux')('lives through the signals that end a terminal session', async () => {
    const watchdog = await startWatchdog();
    const [shell] = watchdogs();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(shell ?? 0, signal);
    const { leader } = await startGroup();
    watchdog.guard(leader);
    expect(watchdogs()).toEqual([shell]);
    await watchdog.stop();
    expect(await survivors([leader], 1000)).toEqual([]);
  });

  test('leaves a released group and the postmaster alone at an orderly stop', async () => {
    const watchdog = await startWatchdog();
    const { leader, member } = await startGroup();
    const postmaster = await startGroup();
    watchdog.guard(leader);
    watchdog.guardPostmaster(postmaster.leader);
    watchdog.release(leader);
    await watchdog.stop();
    expect([leader, member, postmaster.leader].map(isAlive)).toEqual([true, true, true]);
    for (const group of [leader, postmaster.leader]) process.kill(-group, 'SIGKILL');
  });
});
