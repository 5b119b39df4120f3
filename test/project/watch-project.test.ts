import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NotAProject } from '../../src/project/not-a-project.ts';
import { watchProject } from '../../src/project/watch-project.ts';
import { code, projectFolder, write } from './support/project-folder.ts';

/** A watched project, and a promise of its next change. */
async function watched() {
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': 'blocks: []',
    'custom/a.py': code,
    'utils/sums.py': code,
    'node_modules/x/index.js': '',
    'data/rows.csv': '',
  });
  let changes = 0;
  let told: (() => void) | null = null;
  const watch = await watchProject(dir, () => {
    changes++;
    told?.();
  });
  onTestFinished(watch.close);
  return {
    dir,
    changes: () => changes,
    /** Resolves with the milliseconds from the end of `act` to the next call. */
    async after(act: () => Promise<unknown>): Promise<number> {
      const call = new Promise<void>((resolve) => {
        told = resolve;
      });
      await act();
      const done = performance.now();
      await call;
      return performance.now() - done;
    },
  };
}

test.for([
  ['an edited block', (dir: string) => writeFile(join(dir, 'custom/a.py'), '# edited')],
  ['an edited pipeline', (dir: string) => writeFile(join(dir, 'pipelines/daily/metadata.yaml'), 'blocks: null')],
  ['edited settings', (dir: string) => writeFile(join(dir, 'metadata.yaml'), 'features: {}')],
  ['edited shared code', (dir: string) => writeFile(join(dir, 'utils/sums.py'), '# edited')],
  ['a new pipeline in a new folder', (dir: string) => write(dir, { 'pipelines/new/metadata.yaml': 'blocks: []' })],
  ['a folder of blocks that was not there', (dir: string) => write(dir, { 'sensors/deep/er/s.py': code })],
  ['a removed block', (dir: string) => rm(join(dir, 'custom/a.py'))],
  ['a removed pipeline', (dir: string) => rm(join(dir, 'pipelines/daily'), { recursive: true })],
] as const)('%s is noticed within a second', async ([, act]) => {
  const { dir, after } = await watched();
  expect(await after(() => act(dir))).toBeLessThan(1000);
});

test('an editor that saves by renaming is noticed, every time', async () => {
  const { dir, after } = await watched();
  for (const text of ['# one', '# two', '# three']) {
    const wait = await after(async () => {
      await writeFile(join(dir, 'custom/.a.py.swp'), text);
      await rename(join(dir, 'custom/.a.py.swp'), join(dir, 'custom/a.py'));
    });
    expect(wait).toBeLessThan(1000);
  }
});

test('what is no part of the pipelines wakes nobody, and what follows it is still noticed', async () => {
  const { dir, after, changes } = await watched();
  await write(dir, {
    '.git/HEAD.py': 'x',
    'node_modules/x/index.js': 'x',
    'data/rows.csv': 'x',
    '.venv/lib/x.py': 'x',
  });
  expect(await after(() => writeFile(join(dir, 'custom/a.py'), '# edited'))).toBeLessThan(1000);
  expect(changes()).toBe(1);
});

test('a folder that never rests is read all the same', async () => {
  const { dir, after } = await watched();
  let busy = true;
  const scribble = (async () => {
    for (let i = 0; busy; i++) {
      await writeFile(join(dir, 'utils/sums.py'), `# ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  expect(await after(async () => {})).toBeLessThan(2000);
  busy = false;
  await scribble;
});

test('a folder that is no project is refused', async () => {
  await expect(watchProject('/nowhere/at/all', () => {})).rejects.toBeInstanceOf(NotAProject);
});
