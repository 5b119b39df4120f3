import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { documentLimits } from '../../../src/graphql/limits.ts';
import { type Access, createTokenAccess } from '../../../src/server/access.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../../src/server/start-server.ts';
import { createFountain } from './fountain.ts';
import { createSampleSchema, type SampleWorld } from './sample-schema.ts';

export const token = 'the-token-of-the-tests';
export const bearer = { authorization: `Bearer ${token}` };

export type SampleServer = SampleWorld & {
  readonly server: RunningServer;
  readonly access: Access;
  /** `http://127.0.0.1:PORT` and its WebSocket twin with the path. */
  readonly url: string;
  readonly wsUrl: string;
  /** Every line of the log, parsed. */
  readonly log: readonly Record<string, unknown>[];
};

/** Starts a server on a free port with the sample schema; it is closed when the test ends. */
export async function startSample(options: Partial<ServerOptions> = {}): Promise<SampleServer> {
  const world: SampleWorld = { fountain: createFountain(), bumps: 0, contexts: [], gate: Promise.resolve() };
  const log: Record<string, unknown>[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const access = options.access ?? createTokenAccess({ token });
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    schema: createSampleSchema(world),
    createContext: (request) => {
      world.contexts.push(request);
      return { request };
    },
    access,
    documentLimits,
    logger,
    drainMs: 300,
    ...options,
  });
  onTestFinished(() => server.close());
  return Object.assign(world, {
    server,
    access,
    url: server.url,
    wsUrl: `${server.url.replace('http', 'ws')}/graphql`,
    log,
  });
}

/** Sends an operation by POST, as the holder of the token unless told otherwise. */
export function post(url: string, body: unknown, headers: Record<string, string> = bearer): Promise<Response> {
  return fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** The JSON of an answer. */
export async function jsonOf(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

export type Answer = {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Record<string, unknown> }[];
};
