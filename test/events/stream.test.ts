import { describe, expect, test } from 'vitest';
import { createBus } from '../../src/events/bus.ts';
import type { FeedMessage } from '../../src/events/event-feed.ts';
import type { LogPage, Reader } from '../../src/events/reader.ts';
import { type FeedStream, openEventStream } from '../../src/events/stream.ts';

/** A log whose pages come when the test says so. */
function slowLog() {
  const pages: PromiseWithResolvers<LogPage>[] = [];
  const reader = (name: string): Reader => ({
    cursor: () => name,
    lookAgain: () => {},
    page: () => {
      const page = Promise.withResolvers<LogPage>();
      pages.push(page);
      return page.promise;
    },
    take: () => null,
    goBackTo: () => {},
    startOver: () => reader('start'),
  });
  return { reader: reader('middle'), pages };
}

function open(reader: Reader, onProblem: (error: unknown) => void = () => {}): FeedStream {
  return openEventStream({
    bus: createBus(),
    reader,
    pipelineRunId: null,
    kinds: null,
    filter: () => true,
    bound: { events: 10, bytes: 10_000 },
    opening: [{ type: 'subscribed', cursor: reader.cursor() }],
    onProblem,
    onEnd: () => {},
  });
}

/** Told apart from others by its cursor alone. */
function message(cursor: string): FeedMessage {
  return { type: 'lagged', cursor, skippedLive: 0 };
}

async function next(stream: FeedStream): Promise<FeedMessage | undefined> {
  return (await stream.next()).value;
}

describe('a stream', () => {
  test('throws away the page that was on its way when the log was replaced', async () => {
    const { reader, pages } = slowLog();
    const stream = open(reader);
    await next(stream);
    const waiting = next(stream);
    stream.expire();
    expect(await waiting).toEqual({ type: 'expired', oldestCursor: 'start', resumesAt: 'start' });
    const after = next(stream);
    pages[0]?.resolve({ messages: [message('of the old log')], isLast: false });
    pages[1]?.resolve({ messages: [message('of the new log')], isLast: true });
    expect(await after).toEqual(message('of the new log'));
  });

  test('says from where it starts first, also when the log is replaced before it is read from', async () => {
    const stream = open(slowLog().reader);
    stream.expire();
    expect(await next(stream)).toEqual({ type: 'subscribed', cursor: 'start' });
    expect((await next(stream))?.type).toBe('expired');
  });

  test('tries again when the log could not be read', async () => {
    const problems: unknown[] = [];
    const { reader, pages } = slowLog();
    const stream = open(reader, (error) => problems.push(error));
    await next(stream);
    const waiting = next(stream);
    pages[0]?.reject(new Error('The database is away.'));
    await expect.poll(() => pages.length).toBe(2);
    pages[1]?.resolve({ messages: [message('at last')], isLast: true });
    expect(await waiting).toEqual(message('at last'));
    expect(problems).toHaveLength(1);
  });

  test('answers all who ask at once, in order, and none of them twice', async () => {
    const { reader, pages } = slowLog();
    const stream = open(reader);
    const asked = [next(stream), next(stream), next(stream)];
    pages[0]?.resolve({ messages: [message('a'), message('b')], isLast: true });
    expect(await Promise.all(asked)).toEqual([{ type: 'subscribed', cursor: 'middle' }, message('a'), message('b')]);
    const [late, later] = [next(stream), next(stream)];
    await stream.return?.();
    expect(await Promise.all([late, later])).toEqual([undefined, undefined]);
  });
});
