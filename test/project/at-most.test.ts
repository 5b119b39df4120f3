import fc from 'fast-check';
import { expect, test } from 'vitest';
import { atMost } from '../../src/project/at-most.ts';

/** Lets that many steps of other promises go first. */
async function steps(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

const tasks = fc.array(fc.record({ after: fc.nat(6), takes: fc.nat(6), fails: fc.boolean() }), { maxLength: 25 });

test('never more than so many tasks run, every one runs, and a failed one gives its place back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), tasks, async (limit, given) => {
      const inTurn = atMost(limit);
      let running = 0;
      let most = 0;
      const started: number[] = [];
      const results: Promise<unknown>[] = [];
      for (const [index, { after, takes, fails }] of given.entries()) {
        await steps(after);
        const result = inTurn(async () => {
          started.push(index);
          most = Math.max(most, ++running);
          await steps(takes);
          running--;
          if (fails) throw new Error('failed');
        });
        results.push(
          result.then(
            () => 'done',
            () => 'failed',
          ),
        );
      }
      expect(await Promise.all(results)).toEqual(given.map(({ fails }) => (fails ? 'failed' : 'done')));
      expect(started.toSorted((a, b) => a - b)).toEqual(given.map((_, index) => index));
      expect(most).toBeLessThanOrEqual(limit);
    }),
  );
});
