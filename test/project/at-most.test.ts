import fc from 'fast-check';
import { expect, test } from 'vitest';
import { atMost } from '../../src/project/at-most.ts';

test('never more than so many tasks run, all run in order, and a failed one gives its place back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(3), { maxLength: 20 }), async (limit, pauses) => {
      const inTurn = atMost(limit);
      let running = 0;
      let most = 0;
      const started: number[] = [];
      const results = await Promise.allSettled(
        pauses.map((pause, index) =>
          inTurn(async () => {
            started.push(index);
            most = Math.max(most, ++running);
            for (let i = 0; i < pause; i++) await Promise.resolve();
            running--;
            if (pause === 2) throw new Error('failed');
            return index;
          }),
        ),
      );
      expect(most).toBeLessThanOrEqual(limit);
      expect(started).toEqual(pauses.map((_, index) => index));
      expect(results.map((result) => result.status)).toEqual(
        pauses.map((pause) => (pause === 2 ? 'rejected' : 'fulfilled')),
      );
    }),
  );
});
