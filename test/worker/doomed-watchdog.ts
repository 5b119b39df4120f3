/** A server that guards what it is told on stdin, and waits to be killed. Started by watchdog.test.ts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { startWatchdog } from '../../src/worker/watchdog.ts';

const [line] = await once(createInterface({ input: process.stdin }), 'line');
const told = JSON.parse(String(line)) as { groups: readonly number[]; released: number; postmaster: number };

const watchdog = await startWatchdog();
watchdog.guard(told.released);
for (const group of told.groups) watchdog.guard(group);
watchdog.release(told.released);
watchdog.guardPostmaster(told.postmaster);

// One that hides in a session of its own, below a parent that is gone; it is known by its mark alone.
const hiding = spawn('sh', ['-c', 'setsid sleep 30 & echo $!'], {
  stdio: ['ignore', 'pipe', 'ignore'],
  env: { ...process.env, ...watchdog.mark },
});
const [hidden] = await once(createInterface({ input: hiding.stdout }), 'line');

// A child that inherits whatever is not close-on-exec, and outlives this process.
const child = spawn('sleep', ['30'], { detached: true, stdio: 'ignore' });
console.log(JSON.stringify({ unguardedChild: child.pid, hidden: Number(hidden) }));
setInterval(() => {}, 1000);
