import { describe, expect, test } from 'vitest';
import { pauseSome } from './pause.ts';

describe('a pause in the middle of work, longer than the patience with a silent worker', { timeout: 120_000 }, () => {
  test('re-queues nothing when everything pauses: a laptop that sleeps', async () => {
    const report = await pauseSome(3500, (crew) => crew);
    expect(report.held).toBeGreaterThan(2);
    expect(report).toMatchObject({ lost: 0, violations: [] });
  });

  test('re-queues what one worker holds when it alone pauses, and what it reports afterwards changes nothing', async () => {
    const report = await pauseSome(3500, (crew) => crew.filter((member) => member.role === 'worker').slice(0, 1));
    expect(report.lost).toBeGreaterThan(0);
    expect(report.violations).toEqual([]);
  });
});
