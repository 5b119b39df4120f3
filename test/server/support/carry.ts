import { connected } from './probe.ts';
import { type Answer, bearer, type SampleServer } from './sample-server.ts';

export type Params = { readonly query: string; readonly variables?: unknown; readonly operationName?: string };

/** Brings an operation to the server by each of its doors and gives back the first answer, in one form: what holds for one must hold for all. */
export const doors: readonly (readonly [string, (sample: SampleServer, params: Params) => Promise<Answer>])[] = [
  ['POST', (sample, params) => byPost(sample, params, 'application/json')],
  ['GET', (sample, params) => byGet(sample, params, 'application/json')],
  ['an event stream by POST', (sample, params) => byPost(sample, params, 'text/event-stream')],
  ['an event stream by GET', (sample, params) => byGet(sample, params, 'text/event-stream')],
  ['a WebSocket', byWebSocket],
];

async function byPost({ url }: SampleServer, params: Params, accept: string): Promise<Answer> {
  const headers = { ...bearer, accept, 'content-type': 'application/json' };
  return read(await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(params) }));
}

async function byGet({ url }: SampleServer, params: Params, accept: string): Promise<Answer> {
  const search = new URLSearchParams({ query: params.query });
  if (params.variables !== undefined) search.set('variables', JSON.stringify(params.variables));
  if (params.operationName !== undefined) search.set('operationName', params.operationName);
  return read(await fetch(`${url}/graphql?${search}`, { headers: { ...bearer, accept } }));
}

async function byWebSocket({ wsUrl }: SampleServer, params: Params): Promise<Answer> {
  const client = await connected(wsUrl);
  client.send({ id: '1', type: 'subscribe', payload: params });
  const { type, payload } = await client.next();
  return type === 'error' ? { errors: payload as NonNullable<Answer['errors']> } : (payload as Answer);
}

async function read(response: Response): Promise<Answer> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return (await response.json()) as Answer;
  for await (const event of eventsOf(response)) if (event.event === 'next') return JSON.parse(event.data) as Answer;
  throw new Error('The stream ended without an answer.');
}

export type StreamEvent = { readonly event: string; readonly id: string | null; readonly data: string };

/** The events of an event stream, read by the rules of the HTML standard (as far as we use them). */
export async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk as Uint8Array);
    for (let cut = text.indexOf('\n\n'); cut >= 0; cut = text.indexOf('\n\n')) {
      const lines = text.slice(0, cut).split('\n');
      text = text.slice(cut + 2);
      const value = (name: string) =>
        lines
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trimStart() ?? null;
      const event = value('event');
      if (event !== null) yield { event, id: value('id'), data: value('data') ?? '' };
    }
  }
}
