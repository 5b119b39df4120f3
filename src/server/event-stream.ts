import type { ExecutionResult, GraphQLError } from 'graphql';
import { cursorOf, type EventResults } from './event-results.ts';

/** Event streams that are open now, so that a server that stops can end them. */
export type OpenStreams = Set<() => void>;

/**
 * The body of a server-sent event stream (graphql-sse's "distinct connections": events `next` and `complete`). `id:` is the event's cursor,
 * which a browser hands back as `Last-Event-ID` when it reconnects. Pulled by the connection: a reader that stops stops the source.
 * A comment every `keepAliveMs` keeps proxies from closing a quiet stream.
 */
export function eventStreamBody(
  outcome: ExecutionResult | EventResults,
  options: { readonly signal: AbortSignal; readonly keepAliveMs: number; readonly open: OpenStreams },
): ReadableStream<Uint8Array> {
  const results = 'next' in outcome ? outcome : null;
  const encoder = new TextEncoder();
  let stop: () => void = () => undefined;

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(text));
        const keepAlive = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) send(':\n\n');
        }, options.keepAliveMs);
        stop = () => {
          if (!options.open.delete(stop)) return;
          clearInterval(keepAlive);
          options.signal.removeEventListener('abort', stop);
          void results?.return();
          // Without `complete`: the subscription is not over, only this connection is, and the client should come back.
          try {
            controller.close();
          } catch {
            // It was closed or cancelled by the other side first.
          }
        };
        options.open.add(stop);
        options.signal.addEventListener('abort', stop, { once: true });
        if (options.signal.aborted) return stop();
        // Some browsers report a stream as open only when its first bytes arrive.
        send(':\n\n');
        if (!results) {
          send(nextEvent(outcome as ExecutionResult) + complete);
          stop();
        }
      },
      async pull(controller) {
        if (!results) return;
        const event = await results
          .next()
          .catch((error: GraphQLError) => ({ done: false, value: { errors: [error] } }) as const);
        if (!options.open.has(stop)) return;
        controller.enqueue(encoder.encode(event.done === true ? complete : nextEvent(event.value)));
        if (event.done === true) stop();
      },
      cancel: () => stop(),
    },
    { highWaterMark: 1 },
  );
}

const complete = 'event: complete\ndata:\n\n';

function nextEvent(result: ExecutionResult): string {
  const cursor = cursorOf(result);
  const id = cursor === null ? '' : `id: ${cursor}\n`;
  return `event: next\n${id}data: ${JSON.stringify(result)}\n\n`;
}
