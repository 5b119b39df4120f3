import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { outcomeOf } from '../../src/worker/executors/python-outcome.ts';
import { until } from '../support/waiting.ts';
import { isAlive, survivors } from './living.ts';
import { messages, openPythonHouse, type PythonHouse, testPython, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

const startsChild = `import subprocess, time
@custom
def f():
    child = subprocess.Popen(['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'])
    print('child', child.pid)
`;

describe('the end of an attempt', () => {
  test('leaves no process of its group', async () => {
    const { outcome, logs } = await house.run(startsChild);
    expect(outcome.status).toBe('completed');
    const child = Number(messages(logs, 'stdout')[0]?.split(' ')[1]);
    expect(isAlive(child)).toBe(false);
  });

  test('leaves no daemon of its group either, one whose parent is gone and forgotten', async () => {
    const { outcome, logs } = await house.run(`import os, time
@custom
def f():
    told, tell = os.pipe()
    first = os.fork()
    if first == 0:
        if os.fork() == 0:
            os.write(tell, str(os.getpid()).encode())
            time.sleep(60)
        os._exit(0)
    os.waitpid(first, 0)
    print('daemon', os.read(told, 20).decode())`);
    expect(outcome.status).toBe('completed');
    const daemon = Number(messages(logs, 'stdout')[0]?.split(' ')[1]);
    expect(daemon).toBeGreaterThan(1);
    expect(isAlive(daemon)).toBe(false);
  });

  test.each([
    ['os._exit(5)', 'ended itself with exit code 5'],
    ['os.kill(os.getpid(), signal.SIGSEGV)', 'was killed by SIGSEGV'],
    ['os.kill(os.getpid(), signal.SIGKILL)', 'was killed by SIGKILL'],
  ])('by %s is told as a death of the process', async (death, message) => {
    const { outcome } = await house.run(`import os, signal\n@custom\ndef f(): ${death}`);
    expect(outcome).toMatchObject({
      status: 'process_died',
      outOfMemory: false,
      message: expect.stringContaining(message),
    });
  });

  test('by SIGKILL while the kernel counts a kill for memory is out of memory', () => {
    const end = { pid: 1, signal: 'SIGKILL', exitCode: null, hasBegun: true, cpuTimeMs: 5, maxRssBytes: 1 };
    const known = { blockUuid: 'b', result: null, end, cpuTimeBeforeMs: 1, stopRequested: false };
    expect(outcomeOf({ ...known, outOfMemoryKills: 1 })).toMatchObject({ status: 'process_died', outOfMemory: true });
    expect(outcomeOf({ ...known, outOfMemoryKills: 0 })).toMatchObject({ outOfMemory: false, cpuTimeMs: 4 });
  });

  test('waits for threads that the block left running', async () => {
    const { logs } = await house.run(`import threading, time
def later():
    time.sleep(0.05)
    print('late')
@custom
def f(): threading.Thread(target=later).start()`);
    expect(messages(logs, 'stdout')).toEqual(['late']);
  });
});

describe('stopping', () => {
  test('lets the block clean up, and its children die with it', async () => {
    const attempt = house.start(`${startsChild}    try:
        print('working')
        time.sleep(60)
    finally:
        print('cleaned up')`);
    await attempt.line('working');
    const child = Number((await attempt.line('child')).split(' ')[1]);
    attempt.running.stop(5000);
    expect(await attempt.running.outcome).toMatchObject({ status: 'stopped' });
    expect(messages(attempt.logs, 'stdout')).toContain('cleaned up');
    expect(isAlive(child)).toBe(false);
  });

  test('leaves what the block has started the rest of the grace, and kills it after that', async () => {
    const file = join(house.projectDir, 'saved');
    const code = (child: string) => `import subprocess, time
@custom
def f():
    subprocess.Popen(['bash', '-c', ${JSON.stringify(child)}])
    time.sleep(600)`;
    const saving = house.start(
      code(`trap 'sleep 0.3; echo yes > ${file}; exit' TERM; echo up; while :; do sleep 0.01; done`),
    );
    await saving.line('up');
    saving.running.stop(60_000);
    expect((await saving.running.outcome).status).toBe('stopped');
    expect(readFileSync(file, 'utf8')).toBe('yes\n');

    const clinging = house.start(code(`trap '' TERM; echo up $$; while :; do sleep 0.01; done`));
    const pid = Number((await clinging.line('up')).split(' ')[1]);
    clinging.running.stop(200);
    expect((await clinging.running.outcome).status).toBe('stopped');
    expect(isAlive(pid)).toBe(false);
  });

  test('ends a block that does not listen when the grace is over; a second call shortens it', async () => {
    const attempt = house.start(`import signal, time
@custom
def f():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('deaf')
    time.sleep(60)`);
    await attempt.line('deaf');
    attempt.running.stop(60_000);
    attempt.running.stop(20);
    expect(await attempt.running.outcome).toMatchObject({ status: 'stopped' });
  });

  test('gives the true outcome of a block that still finishes', async () => {
    const attempt = house.start(`import time
@custom
def f():
    try:
        print('started')
        time.sleep(60)
    except SystemExit:
        return 'finished'`);
    await attempt.line('started');
    attempt.running.stop(5000);
    const outcome = await attempt.running.outcome;
    expect(outcome.status).toBe('completed');
    expect(values(outcome)).toEqual(['finished']);
  });

  test('the executor ends running blocks and everything warm', async () => {
    const other = await openPythonHouse();
    await other.executor.warm(2);
    const attempt = other.start(
      'import os, time\n@custom\ndef f():\n    print("pids", os.getpid(), os.getppid())\n    time.sleep(60)',
    );
    const pids = (await attempt.line('pids')).split(' ').slice(1).map(Number);
    await other.close();
    expect(await attempt.running.outcome).toMatchObject({ status: 'stopped' });
    expect(pids.filter(isAlive)).toEqual([]);
    expect((await other.start('').running.outcome).status).toBe('stopped');
  });
});

describe('the fork server', () => {
  test('takes its attempts along when it dies, and is replaced for the next one', async () => {
    const attempt = house.start(
      'import os, time\n@custom\ndef f():\n    print("parent", os.getppid())\n    time.sleep(60)',
    );
    process.kill(Number((await attempt.line('parent')).split(' ')[1]), 'SIGKILL');
    expect(await attempt.running.outcome).toMatchObject({
      status: 'process_died',
      message: expect.stringContaining('fork server'),
    });
    expect(values((await house.run('@custom\ndef f(): return "again"')).outcome)).toEqual(['again']);
  });

  test('loses no attempt when a spare child is killed', async () => {
    await house.executor.warm(2);
    const attempt = house.start('import os\n@custom\ndef f():\n    print("parent", os.getppid())');
    const parent = (await attempt.line('parent')).split(' ')[1];
    await attempt.running.outcome;
    await house.executor.warm(2);
    const childrenNow = () =>
      readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').map(Number);
    const children = childrenNow();
    for (const child of children) killIfThere(child);
    await survivors(children, 1000);
    // Replaced: so the pool has heard of every death.
    await until('the killed spares are replaced', () => {
      const now = childrenNow();
      return now.length >= 2 && !now.some((pid) => children.includes(pid));
    });
    await house.executor.warm(2);
    const outcomes = await Promise.all([1, 2, 3].map(() => house.run('@custom\ndef f(): return 1')));
    expect(outcomes.map(({ outcome }) => outcome.status)).toEqual(['completed', 'completed', 'completed']);
  });

  test('that does not come up is no reason to stop slowly', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'penstock-test-'));
    await writeFile(join(folder, 'sitecustomize.py'), 'import time\ntime.sleep(600)');
    const other = await openPythonHouse({ env: { ...process.env, PYTHONPATH: folder } });
    const attempt = other.start('@custom\ndef f(): pass');
    const startedAt = performance.now();
    await other.close();
    expect((await attempt.running.outcome).status).toBe('stopped');
    expect(performance.now() - startedAt).toBeLessThan(3000);
    await rm(folder, { recursive: true });
  });

  test('runs many attempts at once', async () => {
    const runs = Array.from({ length: 40 }, (_, n) => house.run(`@custom\ndef f(): return ${n}`));
    const outcomes = await Promise.all(runs);
    expect(outcomes.map(({ outcome }) => values(outcome)[0])).toEqual(outcomes.map((_, n) => n));
  });

  test.each([
    ['/nowhere/python3', 'PythonNotStarted', '/nowhere/python3 could not be started'],
    ['/bin/false', 'PythonNotStarted', '/bin/false ended with exit code 1 before it could run blocks. Name a Python'],
    [null, 'PythonNotFound', 'No Python was found. Install python3'],
  ])('that is %s fails its attempts with a sentence', async (python, type, message) => {
    const other = await openPythonHouse({ python });
    for (const attempt of [1, 2]) {
      const { outcome } = await other.run('@custom\ndef f(): pass', { attempt });
      expect(outcome).toMatchObject({ status: 'failed', error: { type, message: expect.stringContaining(message) } });
    }
    await other.close();
  });
});

test('a pipe that is named like a block keeps no other block from running', async () => {
  const other = await openPythonHouse();
  execFileSync('mkfifo', [join(other.projectDir, 'stuck.py')]);
  const { outcome } = await other.run('@custom\ndef f(): return 1');
  await other.close();
  expect(outcome).toMatchObject({ status: 'completed' });
});

test('a Python whose processes can not live fails its attempts with their last words', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-test-'));
  await writeFile(
    join(folder, 'sitecustomize.py'),
    'import os\ndef setsid(): raise OSError("no sessions here")\nos.setsid = setsid',
  );
  const other = await openPythonHouse({ env: { ...process.env, PYTHONPATH: folder } });
  const { outcome } = await other.run('@custom\ndef f(): pass');
  await other.close();
  await rm(folder, { recursive: true });
  expect(outcome).toMatchObject({
    status: 'failed',
    error: { type: 'PythonNotStarted', message: expect.stringContaining('OSError: no sessions here') },
  });
});

describe('a killed server', () => {
  let doomed: ChildProcess | undefined;
  afterAll(() => doomed?.kill('SIGKILL'));

  test('leaves nothing alive after a second: no block, no child of a block, no fork server, no watchdog', async () => {
    doomed = spawn(
      process.execPath,
      [join(import.meta.dirname, 'doomed-python-server.ts'), testPython ?? '', house.projectDir],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const pids: number[] = [];
    const lines = createInterface({ input: doomed.stdout ?? process.stdin });
    onTestFinished(() => {
      for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
    });
    for await (const line of lines) {
      if (line.startsWith('pids')) pids.push(...line.split(' ').slice(1).map(Number));
      if (line === 'all said') break;
    }
    expect(pids.length).toBeGreaterThanOrEqual(8);
    expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);
    const killedAt = performance.now();
    doomed.kill('SIGKILL');
    expect(await survivors(pids, 1000)).toEqual([]);
    expect(performance.now() - killedAt).toBeLessThan(1000);
  });
});

/** The process of the attempt before may still be ending. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}
