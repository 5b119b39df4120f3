import { describe, expect, test } from 'vitest';
import { judgeWorker, type Look, type Standstill } from '../../src/domain/worker-loss.ts';

/** The time of the look at which the worker is lost; null when it never is. */
function lostAt(looks: readonly Look[]): number | null {
  let standstill: Standstill | null = null;
  for (const look of looks) {
    const verdict = judgeWorker(standstill, look);
    if (verdict.lost) return look.atMs;
    standstill = verdict.standstill;
  }
  return null;
}

const every = (ms: number, until: number, look: (atMs: number) => Omit<Look, 'atMs'>): Look[] =>
  Array.from({ length: Math.floor(until / ms) + 1 }, (_, i) => ({ atMs: i * ms, ...look(i * ms) }));

describe('a worker is lost', () => {
  test('2 s after its counter stood still', () => {
    expect(lostAt(every(200, 5000, () => ({ counter: 7n, rests: false, lockIsFree: false })))).toBe(2000);
  });

  test('0.6 s after, when its session is gone too', () => {
    expect(lostAt(every(200, 5000, (at) => ({ counter: 7n, rests: false, lockIsFree: at >= 200 })))).toBe(600);
  });

  test('2 s after a Postgres crash has emptied the beats, when it died with it', () => {
    expect(lostAt(every(200, 5000, () => ({ counter: null, rests: false, lockIsFree: true })))).toBe(2000);
  });

  test('25 s after its last beat, when it said that it rests', () => {
    expect(lostAt(every(2000, 40_000, () => ({ counter: 7n, rests: true, lockIsFree: false })))).toBe(26_000);
  });
});

describe('a worker is not lost', () => {
  test('while its counter moves, whatever its session does', () => {
    expect(
      lostAt(every(200, 10_000, (at) => ({ counter: BigInt(Math.floor(at / 500)), rests: false, lockIsFree: true }))),
    ).toBeNull();
  });

  test('while it rests and beats every 10 s', () => {
    expect(
      lostAt(
        every(200, 40_000, (at) => ({ counter: BigInt(Math.floor(at / 10_000)), rests: true, lockIsFree: false })),
      ),
    ).toBeNull();
  });

  test('when the looker itself slept: one late look is not four', () => {
    expect(
      lostAt([
        { atMs: 0, counter: 1n, rests: false, lockIsFree: false },
        { atMs: 60_000, counter: 1n, rests: false, lockIsFree: false },
      ]),
    ).toBeNull();
  });

  test('when everything stood still for a minute between two looks or within one', () => {
    const looks = every(200, 3000, (at) => ({
      counter: BigInt(Math.floor(at / 500)),
      rests: false,
      lockIsFree: false,
    }));
    for (let stop = 0; stop < looks.length; stop++) {
      for (const ms of [2500, 60_000]) {
        expect(lostAt(looks.map((look, i) => (i > stop ? { ...look, atMs: look.atMs + ms } : look)))).toBeNull();
      }
    }
  });

  test('when Postgres comes back and its session is not there yet', () => {
    expect(
      lostAt(
        every(200, 4000, (at) => ({
          counter: at < 1200 ? 7n : BigInt(8 + Math.floor(at / 500)),
          rests: false,
          lockIsFree: at < 1200,
        })),
      ),
    ).toBeNull();
  });

  test('for a lock that was free for one look', () => {
    const looks = every(200, 1400, (at) => ({ counter: 1n, rests: false, lockIsFree: at === 600 }));
    expect(lostAt(looks)).toBeNull();
  });
});
