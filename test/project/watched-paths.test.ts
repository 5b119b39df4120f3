import { expect, test } from 'vitest';
import { isIgnoredPath } from '../../src/project/watched-paths.ts';

test.for([
  'metadata.yaml',
  'io_config.yaml',
  'pipelines/daily/triggers.yml',
  'data_loaders/deep/er/a.py',
  'custom/a.ts',
  'transformers/b.sql',
  'utils/sums.mjs',
  'environment/a.py',
])('a change of %s is told', (path) => {
  expect(isIgnoredPath(path, true)).toBe(false);
});

test.for([
  '.git/HEAD.py',
  '.penstock/x.py',
  'pipelines/daily/.variables/x.yaml',
  'custom/.a.py.swp',
  'custom/__pycache__/a.py',
  'node_modules/x/index.js',
  'venv/lib/x.py',
  'data/rows.csv',
  'custom/report.json',
  'README',
])('a change of %s wakes nobody', (path) => {
  expect(isIgnoredPath(path, true)).toBe(true);
});

test('folders are looked into, whatever their names end in', () => {
  expect(['', 'data', 'pipelines/v1.0', 'my.folder'].map((path) => isIgnoredPath(path, false))).toEqual(
    Array(4).fill(false),
  );
});
