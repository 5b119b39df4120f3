import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { descendants, isAlive } from '../support/processes.ts';
import { writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// `npm start`, with npm and its shell between the one who stops it and the server.

const root = fileURLToPath(new URL('../..', import.meta.url));
const project = writeProject({
  'pipelines/one/metadata.yaml': 'blocks: [{uuid: a, type: custom, language: typescript}]',
  'custom/a.ts': 'export default () => 1;',
});
afterAll(project.remove);

test.each<[string, (npm: number) => void]>([
  ['a service manager ends npm', (npm) => process.kill(npm, 'SIGTERM')],
  [
    'Ctrl-C goes to all processes of the terminal, and npm passes it on once more',
    (npm) => process.kill(-npm, 'SIGINT'),
  ],
])('the server stops in order when %s', { timeout: 60_000 }, async (_what, stop) => {
  const dataDir = join(project.dir, 'data');
  const script = ['run', 'penstock', '--', 'serve', join(project.dir, 'project'), '--port', '0', '--data-dir', dataDir];
  const npm = spawn('npm', script, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let printed = '';
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk) => (printed += chunk));
  await until('it is ready', () => /^ready /m.test(printed));
  const { pid } = JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')) as { pid: number };
  const family = descendants(pid);
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });

  stop(pidOf(npm));
  await until('npm and the server are gone', () => npm.exitCode !== null || npm.signalCode !== null);
  await until('nothing of it lives', () => !family.some(isAlive), 1000);
  expect(printed).toMatch(/\nstopped\n/);
  rmSync(dataDir, { recursive: true, force: true });
});

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('npm did not start');
  return pid;
}
