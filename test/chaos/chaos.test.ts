import { expect, test } from 'vitest';
import { wreakHavoc } from './chaos.ts';

// A quarter of a minute of what `npm run chaos` does for as long as one likes: each kind of mischief comes once before any comes again.
test('whatever is killed, stopped or cut, every run ends, nothing is done twice, and nobody else goes down with it', {
  timeout: 150_000,
}, async () => {
  const said: string[] = [];
  const report = await wreakHavoc({
    seed: 20,
    blocks: Number.POSITIVE_INFINITY,
    ms: 15_000,
    schedulers: 2,
    workers: 3,
    blockMs: [5, 50],
    runsAtOnce: 4,
    cancelShare: 0.2,
    pauseMs: [300, 1200],
    stopMs: [1000, 3000],
    say: (line) => said.push(line),
  });
  expect(report.violations, `after ${said.join(', ')}`).toEqual([]);
  expect(report.deserters, `after ${said.join(', ')}`).toEqual([]);
  expect(report.deadlocks).toBe(0);
  // A slow machine gets through fewer.
  expect(new Set(said).size).toBeGreaterThanOrEqual(4);
  expect(report.attempts).toBeGreaterThan(100);
  expect(Object.keys(report.heard)).toEqual(expect.arrayContaining(['not_yet', 'let_in', 'told_success']));
});
