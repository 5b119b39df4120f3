import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatLogCursor,
  formatRunCursor,
  InvalidCursorError,
  logCursorsOf,
  parseCursor,
  parseRunCursor,
} from '../../src/events/cursor.ts';
import type { LogPosition } from '../../src/store/log-position.ts';

const position = fc
  .record({
    xmin: fc.bigInt({ min: 3n, max: 2n ** 40n }),
    gaps: fc.array(fc.bigInt({ min: 0n, max: 50n }), { maxLength: 20 }),
    rest: fc.bigInt({ min: 1n, max: 50n }),
    maxId: fc.bigInt({ min: 0n, max: 2n ** 60n }),
  })
  .map(({ xmin, gaps, rest, maxId }): LogPosition => {
    const xip: bigint[] = [];
    for (const gap of gaps) xip.push((xip.at(-1) ?? xmin - 1n) + 1n + gap);
    return { snapshot: { xmin, xmax: (xip.at(-1) ?? xmin) + rest, xip }, maxId };
  });
const point = fc.record({
  seen: fc.option(position),
  page: fc.option(fc.record({ upTo: position, lastId: fc.bigInt({ min: 0n, max: 2n ** 60n }) })),
});

describe('a cursor', () => {
  test('says where a reader of all events is', () => {
    fc.assert(
      fc.property(fc.nat(), point, (epoch, where) => {
        expect(parseCursor(formatLogCursor(epoch, where))).toEqual({ kind: 'log', epoch, point: where });
      }),
    );
  });

  test('says where a reader of one run is', () => {
    fc.assert(
      fc.property(fc.option(fc.nat()), fc.bigInt({ min: 1n, max: 2n ** 60n }), fc.nat(), (epoch, run, seq) => {
        const cursor = formatRunCursor(run, seq, epoch);
        expect(parseCursor(cursor)).toEqual({ kind: 'run', epoch, pipelineRunId: run, seq });
        expect(parseRunCursor(cursor)).toMatchObject({ pipelineRunId: run, seq });
      }),
    );
  });

  test('is the same whether it is made alone or with others of its page', () => {
    fc.assert(
      fc.property(position, position, fc.bigInt({ min: 0n, max: 2n ** 60n }), (seen, upTo, lastId) => {
        expect(logCursorsOf(1, seen, upTo)(lastId)).toBe(formatLogCursor(1, { seen, page: { upTo, lastId } }));
      }),
    );
  });

  test('that this server did not make is refused with a sentence', () => {
    const cursor = formatLogCursor(1, { seen: null, page: null });
    const inside = (text: string) => Buffer.from(text).toString('base64url');
    const wrong = [
      '',
      'hello',
      'ünï',
      `${cursor}.`,
      'A'.repeat(100_000),
      inside('2l1.0'),
      inside('1l1.5:1:9:0'),
      inside('1l1.5:1::zzzzzzzzzzzzzzz'),
      inside('1l.0'),
      inside('1l1.0.0.1'),
      inside('1r1.5'),
      inside('1r1.5.zzzzzzzz'),
      inside('1r1.5.6.7'),
      inside("1l1.0'; drop table run_event"),
    ];
    for (const text of wrong) expect(() => parseCursor(text), text).toThrow(InvalidCursorError);
    expect(() => parseCursor('hello')).toThrow(/not a cursor of this server/);
  });

  test('that is garbage throws nothing but InvalidCursorError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String(),
          fc.string().map((text) => Buffer.from(`1l${text}`).toString('base64url')),
        ),
        (text) => {
          try {
            parseCursor(text);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidCursorError);
          }
        },
      ),
    );
  });
});
