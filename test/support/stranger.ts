import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

/** A message of a live stream, as far as stories look into it. */
export type Message = {
  readonly __typename: string;
  readonly cursor: string;
  readonly seq: number;
  readonly kind: string;
  readonly at: string;
  readonly pipelineRunId: string;
  readonly blockRunId: string | null;
  readonly blockUuid: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly attempt: number | null;
  readonly reason: { readonly code: string } | null;
};

/** What one subscription brought so far, in the order in which it came. */
export type Stream = {
  readonly messages: readonly Message[];
  /** The first message, past or future, that meets the condition. Rejects with what the server said, or with all that came. */
  readonly until: (what: string, met: (message: Message) => boolean) => Promise<Message>;
  readonly close: () => void;
};

/** What a server refused, as a sentence and a code. */
class Refused extends Error {
  readonly code: unknown;

  constructor(errors: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.code = errors[0]?.extensions?.code;
  }
}

type Result = {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[];
};

/** Follows a subscription with graphql-ws over a connection of its own, as any program may. It never reconnects. */
export function follow(
  server: { readonly url: string; readonly token: string },
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Stream {
  const log = messageLog();
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { token: server.token },
    retryAttempts: 0,
  });
  client.subscribe(
    { query, variables },
    {
      next: (result) => log.add(result as Result),
      error: (problem) => log.end(Array.isArray(problem) ? new Refused(problem) : new Error(`broken: ${problem}`)),
      complete: () => log.end(new Error('the subscription is complete')),
    },
  );
  return { messages: log.messages, until: log.until, close: () => void client.dispose() };
}

/** Follows a subscription by server-sent events, as `curl -N` does. `lastEventId` is what a browser hands back. */
export function followEvents(
  server: { readonly url: string; readonly token: string },
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
  lastEventId: string | null = null,
): Stream & { readonly ids: readonly string[] } {
  const log = messageLog();
  const ids: string[] = [];
  const stop = new AbortController();
  const read = async () => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      signal: stop.signal,
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${server.token}`,
        'content-type': 'application/json',
        ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
      },
      body: JSON.stringify({ query, variables }),
    });
    if (!response.body) throw new Error(`no stream: ${response.status}`);
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const field = (name: string) =>
          event
            .split('\n')
            .find((line) => line.startsWith(`${name}: `))
            ?.slice(name.length + 2);
        if (field('event') !== 'next') continue;
        ids.push(field('id') ?? '');
        log.add(JSON.parse(field('data') ?? '{}') as Result);
      }
    }
    throw new Error('the stream ended');
  };
  read().catch(log.end);
  return { messages: log.messages, ids, until: log.until, close: () => stop.abort() };
}

/** Keeps messages, and wakes those who wait for one. */
function messageLog() {
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  let over: Error | null = null;
  const wake = () => {
    for (const look of waiting) look();
  };
  const end = (error: unknown) => {
    over ??= error instanceof Error ? error : new Error(String(error));
    wake();
  };
  return {
    messages: messages as readonly Message[],
    end,
    add({ data, errors }: Result) {
      if (errors) return end(new Refused(errors));
      const [message] = Object.values(data ?? {});
      messages.push(message as Message);
      wake();
    },
    until: (what: string, met: (message: Message) => boolean) =>
      new Promise<Message>((resolve, reject) => {
        const settle = (act: () => void) => {
          waiting.delete(look);
          clearTimeout(deadline);
          act();
        };
        const look = () => {
          const found = messages.find(met);
          if (found) settle(() => resolve(found));
          else if (over) settle(() => reject(over));
        };
        const deadline = setTimeout(
          () => settle(() => reject(new Error(`${what}: did not come. What came:\n${messages.map(shown).join('\n')}`))),
          30_000,
        );
        waiting.add(look);
        look();
      }),
  };
}

function shown({ __typename, seq, kind, blockUuid, from, to }: Message): string {
  return [__typename, seq, kind, blockUuid, from, to].filter((part) => part !== null && part !== undefined).join(' ');
}
