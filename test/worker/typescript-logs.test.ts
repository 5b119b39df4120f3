import { expect, test } from 'vitest';
import { createProject } from './typescript-project.ts';

test('every way to speak becomes lines, in order, with stream and level', async () => {
  await using project = createProject();
  const { lines } = await project.run(`export default ({ logger }) => {
    console.log('one %d', 1);
    console.warn('two');
    console.error('three');
    console.debug('four');
    process.stdout.write('fi');
    process.stdout.write('ve\\nsix');
    process.stdout.write('\\n');
    process.stderr.write('seven\\n');
    logger.debug('eight');
    logger.info('nine', { rows: 3, who: 'x' });
    logger.warning('ten\\nlines');
    logger.error('eleven');
    process.stdout.write('no newline');
  }`);
  expect(lines.map(({ stream, level, message }) => `${stream} ${level} ${message}`)).toEqual([
    'stdout info one 1',
    'stderr warning two',
    'stderr error three',
    'stdout debug four',
    'stdout info five',
    'stdout info six',
    'stderr error seven',
    'logger debug eight',
    "logger info nine { rows: 3, who: 'x' }",
    'logger warning ten\nlines',
    'logger error eleven',
    'stdout info no newline',
  ]);
  for (const line of lines) expect(Math.abs(Date.now() - line.at.getTime())).toBeLessThan(20_000);
});

test('nothing said is lost when the process is killed', async () => {
  await using project = createProject();
  const { outcome, said } = await project.run(`export default () => {
    for (let i = 0; i < 1000; i++) console.log('line ' + i);
    process.stdout.write('the last');
    process.kill(process.pid, 'SIGKILL');
  }`);
  expect(outcome.status).toBe('process_died');
  expect(said).toHaveLength(1001);
  expect(said.at(-1)).toBe('the last');
});

test('a flood of lines arrives whole and in order', async () => {
  await using project = createProject();
  const { outcome, said } = await project.run(
    `export default () => { for (let i = 0; i < 50_000; i++) console.log(i, 'x'.repeat(100)); }`,
  );
  expect(outcome.status).toBe('completed');
  expect(said.map((line) => Number.parseInt(line, 10))).toEqual(Array.from({ length: 50_000 }, (_, index) => index));
});

test('text that the database can not hold, and very long lines, are made fit', async () => {
  await using project = createProject();
  const { said } = await project.run(`export default ({ logger }) => {
    logger.info('a\\0b\\ud800c');
    console.log('ä'.repeat(40_000));
  }`);
  expect(said[0]).toBe('a\ufffdb\ufffdc');
  expect(said.slice(1).join('')).toBe('ä'.repeat(40_000));
  expect(said.length).toBeGreaterThan(2);
});

test.each([
  [
    'a child process',
    `import { spawn } from 'node:child_process'; import { once } from 'node:events';
    export default async () => { await once(spawn('sh', ['-c', 'echo out; echo err >&2'], { stdio: 'inherit' }), 'exit'); }`,
  ],
  [
    'a shell command',
    `import { execSync } from 'node:child_process';
    export default () => { execSync('echo out; echo err >&2', { stdio: 'inherit' }); }`,
  ],
  [
    'a write to the descriptor',
    `import { writeSync } from 'node:fs';
    export default () => { writeSync(1, 'out\\n'); writeSync(2, 'err'); }`,
  ],
])('what %s writes belongs to the attempt, and the process is used again', async (_, code) => {
  await using project = createProject({ slots: 1 });
  const first = await project.run(code);
  expect(first.outcome.status).toBe('completed');
  expect(first.lines.map(({ stream, message }) => `${stream} ${message}`).sort()).toEqual(['stderr err', 'stdout out']);
  const second = await project.run('export default () => 1', { name: 'custom/other.ts' });
  expect(second.said).toEqual([]);
  expect(second.pid).toBe(first.pid);
});

test('text that takes the other way is never late', async () => {
  await using project = createProject({ slots: 1 });
  const code = `import { writeSync } from 'node:fs';
    export default ({ logger }) => { for (let i = 0; i < 3; i++) logger.info('told'); writeSync(1, 'raw'); writeSync(2, 'raw'); };`;
  for (let count = 0; count < 500; count++) {
    expect((await project.run(code)).said.sort()).toEqual(['raw', 'raw', 'told', 'told', 'told']);
  }
});

test('what an attempt left behind does not speak in the next one', async () => {
  await using project = createProject({ slots: 1 });
  const first = await project.run(`export default () => {
    setInterval(() => console.log('stray'), 1).unref();
    new Promise((resolve) => setTimeout(resolve, 20).unref()).then(() => console.log('stray'));
  }`);
  const second = await project.run(
    `export default async () => { await new Promise((r) => setTimeout(r, 60)); console.log('mine'); }`,
    { name: 'custom/other.ts' },
  );
  expect(second.pid).toBe(first.pid);
  expect(first.said).toEqual([]);
  expect(second.said).toEqual(['mine']);
});

test('what a file says while it is loaded is told', async () => {
  await using project = createProject();
  const { said } = await project.run(`console.log('loading'); export default () => {};`);
  expect(said).toEqual(['loading']);
});
