import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import { cutWhenStalled } from './cut-when-stalled.ts';
import { deny } from './denial.ts';
import type { EventResults } from './event-results.ts';
import { eventStreamBody, type OpenStreams } from './event-stream.ts';
import { type AnswerType, negotiate } from './negotiate.ts';
import type { OperationRequest } from './operation-request.ts';
import type { OperationRoom } from './operation-room.ts';
import { prepareOperation, type RefusedOperation } from './prepare-operation.ts';
import { readRequest } from './read-request.ts';
import { refuseBody } from './request-body.ts';
import { reviseError } from './revise-error.ts';
import { runOperation } from './run-operation.ts';
import type { Transport } from './transport.ts';

/** Who asks, as the gate found out. */
export type HttpCaller = Pick<OperationRequest, 'principal' | 'isFromBrowser' | 'requestId'>;

type Carried = { readonly caller: HttpCaller; readonly answer: AnswerType; isRunning: boolean };

const maxBodyBytes = 256 * 1024;

/**
 * GraphQL over HTTP. Yoga reads the request and writes the answer as the GraphQL-over-HTTP specification says; between the two stands the same
 * `prepareOperation` as on every transport. Of Yoga's own comforts most are off: its CORS reflects any origin with credentials, and it would
 * run mutations from HTML forms.
 */
export function createHttpGraphQL(
  room: OperationRoom,
  streams: { readonly open: OpenStreams; readonly keepAliveMs: number; readonly stallMs: number },
) {
  const oneDoor: Plugin<Carried> = {
    onRequestParse({ setRequestParser }) {
      setRequestParser(readRequest);
    },
    onParams({ setParamsHandler }) {
      setParamsHandler(async ({ request, params, context }) => {
        const carried = context as unknown as Carried;
        const prepared = prepareOperation(room, operationRequest(request, carried), params);
        carried.isRunning = prepared.ok;
        if (prepared.ok) return (await runOperation(room, prepared.prepared)) as ExecutionResult;
        return { errors: prepared.refused.errors.map((error) => forYoga(error, prepared.refused)) };
      });
    },
    onResultProcess({ request, result, serverContext, setResultProcessor }) {
      const { answer, isRunning } = serverContext as unknown as Carried;
      if (answer !== 'text/event-stream') return;
      setResultProcessor((_, { Response }) => {
        // Only what runs becomes a stream. A browser would open a stream of refusals again and again; after a status of 400 it gives up.
        if (!isRunning) return new Response(...refusal(result as ExecutionResult));
        const body = eventStreamBody(result as ExecutionResult | EventResults, { signal: request.signal, ...streams });
        const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' };
        return new Response(body, { status: 200, headers });
      }, answer);
    },
  };

  const yoga = createYoga<Carried>({
    schema: room.schema,
    plugins: [oneDoor],
    graphqlEndpoint: '/graphql',
    cors: false,
    graphiql: false,
    landingPage: false,
    batching: false,
    multipart: false,
    parserAndValidationCache: false,
    maxRequestBodySize: maxBodyBytes,
    logging: quietLogger(room),
  });

  return async (request: IncomingMessage, response: ServerResponse, caller: HttpCaller): Promise<void> => {
    const denial = refuseBody(request, maxBodyBytes);
    if (denial) return deny(response, denial);
    const answer = negotiate(request.headers.accept);
    // Yoga negotiates too; telling it the outcome leaves one rule.
    request.headers.accept = answer;
    if (answer === 'text/event-stream') cutWhenStalled(response, streams.stallMs);
    await yoga(request, response, { caller, answer, isRunning: false });
  };
}

function operationRequest(request: Request, { caller, answer }: Carried): OperationRequest {
  const isStream = answer === 'text/event-stream';
  const method = request.method === 'GET' ? 'GET' : 'POST';
  const transport: Transport = isStream ? `${method}_STREAM` : method;
  return {
    ...caller,
    transport,
    signal: request.signal,
    lastEventId: isStream ? request.headers.get('last-event-id') : null,
  };
}

/**
 * Yoga takes the status from here and removes it before sending. With `spec`, a client that accepts plain `application/json` gets 200 for a
 * document that is wrong, as the specification asks.
 */
function forYoga(error: GraphQLError, refused: RefusedOperation): GraphQLError {
  const http = { status: refused.status, spec: refused.isWellFormed && refused.status === 400 };
  return reviseError(error, { extensions: { ...error.extensions, http } });
}

function refusal(result: ExecutionResult): [string, ResponseInit] {
  const errors = (result.errors ?? []).map((error) => {
    const { http: _, ...extensions } = error.extensions;
    return reviseError(error, { extensions });
  });
  const status = Math.max(
    400,
    ...(result.errors ?? []).map((error) =>
      Number((error.extensions.http as { status?: number } | undefined)?.status ?? 0),
    ),
  );
  return [JSON.stringify({ errors }), { status, headers: { 'content-type': 'application/json; charset=utf-8' } }];
}

/** Yoga logs what it masks; the rest of its talk is for its own developers. */
function quietLogger(room: OperationRoom) {
  const silent = () => undefined;
  return {
    debug: silent,
    info: silent,
    warn: (...what: readonly unknown[]) => room.logger.warn({ detail: what.map(String) }, 'graphql over http'),
    error: (...what: readonly unknown[]) => room.logger.error({ err: what[0] }, 'graphql over http'),
  };
}
