import type { EventStream, FeedMessage } from '../../src/events/event-feed.ts';

export type EventMessage = Extract<FeedMessage, { readonly type: 'event' }>;

/** Reads the next message; fails when the stream is over. */
export async function nextMessage(stream: EventStream): Promise<FeedMessage> {
  const { done, value } = await stream.next();
  if (done) throw new Error('The stream is over.');
  return value;
}

/** Reads until `count` events have come; the other messages are left out. */
export async function takeEvents(stream: EventStream, count: number): Promise<readonly EventMessage[]> {
  const events: EventMessage[] = [];
  while (events.length < count) {
    const message = await nextMessage(stream);
    if (message.type === 'event') events.push(message);
  }
  return events;
}

/** `run:seq` of an event. */
export function keyOf({ event }: EventMessage): string {
  return `${event.pipelineRunId}:${event.seq}`;
}

/** The events that came after a later one of their run. */
export function outOfOrder(keys: readonly string[]): readonly string[] {
  const newest = new Map<string, number>();
  return keys.filter((key) => {
    const [run = '', seq] = key.split(':');
    const isLate = Number(seq) <= (newest.get(run) ?? 0);
    newest.set(run, Math.max(newest.get(run) ?? 0, Number(seq)));
    return isLate;
  });
}

/** As the log lists them: by run and seq. */
export function sorted(keys: readonly string[]): readonly string[] {
  const parts = (key: string) => key.split(':').map(Number) as [number, number];
  return keys.toSorted((a, b) => parts(a)[0] - parts(b)[0] || parts(a)[1] - parts(b)[1]);
}
