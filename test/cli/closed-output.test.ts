import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { cli, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// `penstock serve | head -1`, a terminal that is gone, a disk that is full: nobody reads what the program prints.

const project = writeProject({
  'pipelines/one/metadata.yaml': 'blocks: [{uuid: a, type: custom, language: typescript}]',
  'custom/a.ts': 'export default () => 1;',
});
afterAll(project.remove);
const dataDir = join(project.dir, 'data');

test('a server whose output nobody takes serves on, and stops in order', { timeout: 60_000 }, async () => {
  const server = start(['serve', join(project.dir, 'project'), '--port', '0', '--log-level', 'debug']);
  closeOutput(server);
  await until('it serves', () => existsSync(join(dataDir, 'server.json')) || server.exitCode !== null);

  const run = start(['run', 'one', '--wait']);
  closeOutput(run);
  expect(await exitOf(run)).toBe(0);

  server.kill('SIGINT');
  expect(await exitOf(server)).toBe(0);
});

function start(args: readonly string[]): ChildProcess {
  const child = spawn(cli.command, [cli.main, ...args, '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

function closeOutput({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
}
