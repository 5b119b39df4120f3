import { expect, test } from 'vitest';
import { wreakHavoc } from './chaos.ts';

test('Postgres is restarted and crashes under load: every process goes on, and nothing that runs is taken for lost', {
  timeout: 120_000,
}, async () => {
  const report = await wreakHavoc({
    seed: 4,
    blocks: Number.POSITIVE_INFINITY,
    ms: 8000,
    schedulers: 2,
    workers: 2,
    blockMs: [200, 800],
    runsAtOnce: 3,
    cancelShare: 0,
    kinds: ['restart_postgres', 'crash_postgres'],
    pauseMs: [1000, 2500],
    stopMs: [0, 0],
    say: () => {},
  });
  expect(report.mischief).toMatchObject({
    restart_postgres: expect.toSatisfy((n: number) => n > 0),
    crash_postgres: expect.toSatisfy((n: number) => n > 0),
  });
  expect(report).toMatchObject({ violations: [], deserters: [], deadlocks: 0, lost: 0 });
});
