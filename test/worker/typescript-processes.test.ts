import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { isAlive, survivors } from './living.ts';
import { createProject, errorOf, inlineOf } from './typescript-project.ts';

const noop = 'export default () => 1;';

test.each([
  ['process.exit(3)', 'ended itself with exit code 3', false],
  ['process.exit()', 'ended itself with exit code 0', false],
  ['process.abort()', 'was killed by SIGABRT', false],
  ['process.kill(process.pid, "SIGKILL")', 'was killed by SIGKILL', false],
  [
    'const all = []; for (;;) all.push(new Array(1e6).fill(all.length + 0.5))',
    'more memory than its JavaScript heap',
    true,
  ],
])('%s is told as the death of the process, and the next attempt runs', async (statement, message, outOfMemory) => {
  await using project = createProject({ slots: 1, env: { ...process.env, NODE_OPTIONS: '--max-old-space-size=60' } });
  const { outcome, said } = await project.run(`export default async () => { console.log('begun'); ${statement}; };`);
  expect(outcome).toMatchObject({ status: 'process_died', outOfMemory, message: expect.stringContaining(message) });
  expect(said[0]).toBe('begun');
  expect(inlineOf((await project.run(noop)).outcome)).toBe(1);
});

test.each([
  'JSON.stringify = () => { throw new Error("no JSON"); }',
  'globalThis.process = undefined; globalThis.Promise = undefined; globalThis.setImmediate = undefined',
])('a block that breaks what our own code needs (%s) ends, and the next attempt runs', async (statement) => {
  await using project = createProject({ slots: 1 });
  const { outcome } = await project.run(`${statement};\nexport default () => 1;`);
  expect(['completed', 'process_died', 'failed']).toContain(outcome.status);
  expect(inlineOf((await project.run(noop)).outcome)).toBe(1);
});

test('a process that is killed from outside ends its attempt', async () => {
  await using project = createProject();
  const running = project.start('export default () => { console.log("up"); for (;;); }');
  await running.spoken;
  process.kill((await running.pid) ?? 0, 'SIGKILL');
  expect(await running.outcome).toMatchObject({ status: 'process_died', message: expect.stringContaining('SIGKILL') });
});

test('a block that takes the signal may finish when it is stopped', async () => {
  await using project = createProject();
  const running = project.start(`export default async ({ signal }) => {
    console.log('up');
    await new Promise((resolve) => { const timer = setInterval(() => {}, 1000); signal.onabort = () => { clearInterval(timer); resolve(); }; });
    return 'saved';
  }`);
  await running.spoken;
  running.stop(60_000);
  expect(inlineOf(await running.outcome)).toBe('saved');
});

test('a block that waits for nothing but the signal is left waiting', async () => {
  await using project = createProject();
  const running = project.start(`export default async ({ signal }) => {
    console.log('up');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return 'saved';
  }`);
  await running.spoken;
  running.stop(60_000);
  expect(inlineOf(await running.outcome)).toBe('saved');
});

test('a block that fails because of the signal was stopped', async () => {
  await using project = createProject();
  const running = project.start(`import { setTimeout } from 'node:timers/promises';
    export default async ({ signal }) => { console.log('up'); await setTimeout(60_000, null, { signal }); }`);
  await running.spoken;
  running.stop(60_000);
  expect((await running.outcome).status).toBe('stopped');
});

test('a block that does not care for the signal is stopped at once', async () => {
  await using project = createProject();
  const running = project.start(
    `export default async () => { console.log('up'); await new Promise((r) => setTimeout(r, 60_000)); }`,
  );
  await running.spoken;
  running.stop(60_000);
  expect((await running.outcome).status).toBe('stopped');
});

test('a block that hears nothing is killed after the grace, and a second stop shortens it', async () => {
  await using project = createProject();
  const busy = project.start('export default () => { console.log("up"); for (;;); }');
  await busy.spoken;
  busy.stop(60_000);
  busy.stop(10);
  expect((await busy.outcome).status).toBe('stopped');
  expect(isAlive((await busy.pid) ?? 0)).toBe(false);
});

test('an attempt that still waits for a process can be stopped', async () => {
  await using project = createProject({ slots: 1 });
  const first = project.start('export default () => { console.log("up"); for (;;); }');
  await first.spoken;
  const second = project.start(noop);
  second.stop(1000);
  expect((await second.outcome).status).toBe('stopped');
  first.stop(0);
  expect((await first.outcome).status).toBe('stopped');
});

test('processes that a block leaves running are dead when its outcome is known', async () => {
  await using project = createProject({ slots: 1 });
  const { outcome, lines, pid } = await project.run(`import { spawn, execSync } from 'node:child_process';
    export default () => [
      spawn('sleep', ['1000']).pid,
      spawn('sh', ['-c', 'sleep 1000 & sleep 1000'], { stdio: 'ignore' }).pid,
      Number(execSync('sleep 1000 >/dev/null 2>&1 & echo $!')),
    ];`);
  const pids = [...(inlineOf(outcome) as number[]), pid ?? 0];
  expect(pids.filter((each) => isAlive(each))).toEqual([]);
  expect(lines.at(-1)).toMatchObject({ stream: 'system', message: expect.stringContaining('left processes running') });
  expect((await project.run(noop)).pid).not.toBe(pid);
});

test('a process that left the group and holds the pipes does not hold up the outcome', async () => {
  await using project = createProject();
  const { outcome, said } = await project.run(`import { spawn } from 'node:child_process';
    export default () => {
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'inherit' });
      child.unref();
      process.stdout.write(String(child.pid));
      process.exit(1);
    }`);
  process.kill(Number(said[0]), 'SIGKILL');
  expect(outcome.status).toBe('process_died');
});

test('when the server is killed, nothing of its blocks lives on', async () => {
  await using project = createProject();
  await project.write('metadata.yaml', '');
  const server = spawn(process.execPath, [
    join(import.meta.dirname, 'typescript-doomed-server.ts'),
    project.projectDir,
  ]);
  const lines: string[] = [];
  for await (const line of createInterface(server.stdout)) {
    if (line === 'all said') break;
    lines.push(line);
  }
  const pids = lines.flatMap((line) => line.split(' ').slice(1).map(Number));
  expect(pids).toHaveLength(5);
  expect(pids.filter(isAlive)).toEqual(pids);
  server.kill('SIGKILL');
  expect(await survivors(pids, 1_000)).toEqual([]);
});

test.each([
  ['a timer', 'setTimeout(() => {}, 60_000)', /Timeout/],
  ['a server', 'await new Promise((r) => createServer().listen(0, r))', /TCPSERVERWRAP/i],
  ['a worker thread', 'new Worker("setInterval(() => {}, 1000)", { eval: true })', /left something open/],
  ['another folder', 'process.chdir("/")', /working directory/],
  ['a changed environment', 'process.env.LEFT = "x"', /environment/],
  ['a listener', 'process.on("uncaughtExceptionMonitor", () => {})', /listeners/],
])('a process in which %s was left is replaced', async (_, statement, message) => {
  await using project = createProject({ slots: 1 });
  const code = `import { createServer } from 'node:net'; import { Worker } from 'node:worker_threads';
    export default async () => { ${statement}; return 1; }`;
  const { outcome, said, pid } = await project.run(code);
  expect(inlineOf(outcome)).toBe(1);
  expect(said.join()).toMatch(message);
  expect(isAlive(pid ?? 0)).toBe(false);
  expect(
    (await project.run('export default () => [process.cwd() !== "/", process.env.LEFT ?? null]')).outcome,
  ).toMatchObject({
    outputs: [{ inline: [true, null] }],
  });
});

test('a block that closes what it opened keeps its process', async () => {
  await using project = createProject({ slots: 1 });
  const code = `import { createServer } from 'node:http'; import { once } from 'node:events'; import { spawn } from 'node:child_process';
    export default async () => {
      const server = createServer((request, response) => response.end('hello')).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const text = await (await fetch('http://127.0.0.1:' + server.address().port)).text();
      await once(spawn('true'), 'close');
      server.close();
      server.closeAllConnections();
      return text;
    }`;
  const first = await project.run(code);
  expect(first.lines).toEqual([]);
  expect(inlineOf(first.outcome)).toBe('hello');
  const second = await project.run(code);
  expect(inlineOf(second.outcome)).toBe('hello');
  expect(second.pid).toBe(first.pid);
});

test('as many attempts run at a time as there are slots, and no more', async () => {
  await using project = createProject({ slots: 3 });
  const file = join(project.root, 'meeting');
  const code = `import { appendFileSync, readFileSync, watch } from 'node:fs';
    export default async () => {
      appendFileSync(${JSON.stringify(file)}, 'in\\n');
      for (;;) {
        if (readFileSync(${JSON.stringify(file)}, 'utf8').split('\\n').length > 3) return process.pid;
        await new Promise((r) => setTimeout(r, 2));
      }
    }`;
  const outcomes = await Promise.all(Array.from({ length: 12 }, async () => (await project.run(code)).outcome));
  expect(new Set(outcomes.map((outcome) => inlineOf(outcome))).size).toBe(3);
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(12);
  expect(project.guarded.size).toBe(3);
});

test('warm processes are there before the first attempt', async () => {
  await using project = createProject({ slots: 2 });
  await project.executor.warm(5);
  expect(project.guarded.size).toBe(2);
  const { pid } = await project.run(noop);
  expect(project.guarded).toContain(pid);
});

test('processes that have nothing to do are ended, but for one', async () => {
  await using project = createProject({ slots: 4, idleMs: 50 });
  await project.executor.warm(4);
  await project.atMost(1);
  expect(project.started.size).toBe(4);
  expect((await project.run(noop)).outcome.status).toBe('completed');
  expect(project.guarded.size).toBe(1);
});

test('a block that writes nonsense to our descriptor ends its own process only', async () => {
  await using project = createProject();
  for (const text of ['nonsense\\n', '{"type":"result"}\\n', 'null\\n']) {
    const { outcome } = await project.run(`import { writeSync } from 'node:fs';
      export default () => { writeSync(3, '${text}'); for (;;); }`);
    expect(outcome.status).toBe('process_died');
  }
  expect((await project.run(noop)).outcome.status).toBe('completed');
});

test('a process that dies while it waits for work fails no attempt', async () => {
  await using project = createProject({ slots: 1 });
  const { pid } = await project.run(noop);
  process.kill(pid ?? 0, 'SIGKILL');
  // Dead at once, but nobody has told the pool yet.
  while (isAlive(pid ?? 0));
  expect((await project.run(noop)).outcome.status).toBe('completed');
});

test('stopping the executor leaves no process and no attempt without an outcome', async () => {
  await using project = createProject({ slots: 1 });
  const running = project.start('export default () => { console.log("up"); for (;;); }');
  await running.spoken;
  const waiting = project.start(noop);
  const groups = [...project.guarded];
  await project.executor.stop();
  expect((await running.outcome).status).toBe('stopped');
  expect((await waiting.outcome).status).toBe('stopped');
  expect((await project.start(noop).outcome).status).toBe('stopped');
  expect(groups.filter(isAlive)).toEqual([]);
  expect(project.guarded.size).toBe(0);
});

test('a process that can not start is told, and tried again for the next attempt', async () => {
  await using project = createProject({ env: { ...process.env, NODE_OPTIONS: '--no-such-option' } });
  for (let count = 0; count < 2; count++) {
    expect((await project.run(noop)).outcome).toMatchObject({
      status: 'process_died',
      message: expect.stringContaining('--no-such-option'),
    });
  }
});

test('a rejected import is tried afresh by the next attempt', async () => {
  await using project = createProject({ slots: 1 });
  const code = `import '../lib/missing.ts'; export default () => 1;`;
  expect(errorOf((await project.run(code)).outcome).message).toContain('missing.ts');
  await project.write('lib/missing.ts', 'export {};');
  expect(inlineOf((await project.run(code)).outcome)).toBe(1);
});

test('an attempt that is held has its process at once, and runs when it may', async () => {
  await using project = createProject({ slots: 1 });
  const { pid } = await project.run('export default () => console.log("warm")');
  const go = Promise.withResolvers<boolean>();
  const held = project.start('export default () => console.log("runs")', { name: 'custom/held.ts' }, go.promise);
  expect(await held.pid).toBe(pid);
  // The process can be asked for nothing else meanwhile; what it says comes after the go, or it did not wait.
  const told = go.promise.then(() => held.said());
  go.resolve(true);
  expect(await told).toEqual([]);
  expect((await held.outcome).status).toBe('completed');
  expect(held.said()).toEqual(['runs']);
});

test('an attempt that was held and must not run never runs, whether it had a process or waited for one', async () => {
  await using project = createProject({ slots: 1 });
  await project.run('export default () => 1');
  const go = Promise.withResolvers<boolean>();
  const code = 'export default () => console.log("runs")';
  const [held, waiting] = [
    project.start(code, { name: 'custom/held.ts' }, go.promise),
    project.start(code, { name: 'custom/other.ts' }, go.promise),
  ];
  await held.pid;
  go.resolve(false);
  expect((await held.outcome).status).toBe('stopped');
  expect((await waiting.outcome).status).toBe('stopped');
  expect([held.said(), waiting.said()]).toEqual([[], []]);
  // What the held one brought along is not taken for known.
  const next = await project.run(code, { name: 'custom/held.ts' });
  expect([next.outcome.status, next.said]).toEqual(['completed', ['runs']]);
});

test('an attempt that is stopped while it is held does not run', async () => {
  await using project = createProject({ slots: 1 });
  await project.run('export default () => 1');
  const go = Promise.withResolvers<boolean>();
  const held = project.start('export default () => console.log("runs")', {}, go.promise);
  await held.pid;
  held.stop(60_000);
  expect((await held.outcome).status).toBe('stopped');
  go.resolve(true);
  expect(held.said()).toEqual([]);
  expect((await project.run('export default () => 2')).outcome.status).toBe('completed');
});
