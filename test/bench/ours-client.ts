import http from 'node:http';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { postJson } from './post-json.ts';

/** One run as its caller and as the server saw it. */
export type TimedRun = {
  /** From just before the mutation's request to the subscription's message that the run is completed. */
  readonly wallMs: number;
  /** The server's own record: completedAt − startedAt. */
  readonly recordedMs: number;
};

export type OursClient = {
  /** Triggers the pipeline and waits for the run's end; rejects unless each of its blocks completed. */
  readonly runOnce: () => Promise<TimedRun>;
  readonly close: () => Promise<void>;
};

export type ServerAddress = { readonly url: string; readonly token: string };

const trigger = /* GraphQL */ `
  mutation BenchTrigger($pipelineUuid: String!) {
    triggerPipelineRun(input: { pipelineUuid: $pipelineUuid }) {
      __typename
      ... on TriggerPipelineRunSuccess { pipelineRun { id } }
      ... on UserError { message }
    }
  }`;

const ends = /* GraphQL */ `
  subscription BenchEnds($pipelineUuid: String!) {
    pipelineRunStatusChanged(filter: { pipelineUuid: { eq: $pipelineUuid }, to: [COMPLETED, FAILED, CANCELLED] }) {
      __typename
      ... on PipelineRunStatusChanged { pipelineRunId }
    }
  }`;

const outcome = /* GraphQL */ `
  query BenchOutcome($id: ID!) {
    pipelineRun(id: $id) { status startedAt completedAt blockRunCounts { total completed } error { message } }
  }`;

type Triggered = {
  readonly triggerPipelineRun: { readonly pipelineRun?: { readonly id: string }; readonly message?: string };
};
type Ended = { readonly pipelineRunStatusChanged: { readonly __typename: string; readonly pipelineRunId?: string } };
type Outcome = {
  readonly pipelineRun: {
    readonly status: string;
    readonly startedAt: string;
    readonly completedAt: string;
    readonly blockRunCounts: { readonly total: number; readonly completed: number };
    readonly error: { readonly message: string } | null;
  };
};

/** Connects as a user's program would: mutations over HTTP with keep-alive, ends of runs over one WebSocket subscription. */
export async function openOursClient(
  address: ServerAddress,
  pipelineUuid: string,
  blocks: number,
): Promise<OursClient> {
  const endpoint = new URL('/graphql', address.url);
  const agent = new http.Agent({ keepAlive: true });
  const ask = async <T>(query: string, variables: object): Promise<T> => {
    const { hostname, port, pathname } = endpoint;
    const headers = { authorization: `Bearer ${address.token}` };
    const answer = await postJson({ hostname, port, path: pathname, agent, headers }, { query, variables });
    const { data, errors } = answer as { readonly data: T; readonly errors?: readonly { readonly message: string }[] };
    if (errors !== undefined) throw new Error(errors.map((error) => error.message).join('; '));
    return data;
  };

  const endings = await watchEnds(endpoint, address.token, pipelineUuid);
  return {
    runOnce: async () => {
      const started = performance.now();
      const { triggerPipelineRun: triggered } = await ask<Triggered>(trigger, { pipelineUuid });
      const id = triggered.pipelineRun?.id;
      if (id === undefined) throw new Error(`The run was refused: ${triggered.message}`);
      const wallMs = (await endings.of(id)) - started;

      const { pipelineRun: run } = await ask<Outcome>(outcome, { id });
      const { total, completed } = run.blockRunCounts;
      if (run.status !== 'COMPLETED' || total !== blocks || completed !== blocks) {
        throw new Error(
          `${id} is ${run.status}, ${completed} of ${total} blocks completed. ${run.error?.message ?? ''}`,
        );
      }
      return { wallMs, recordedMs: Date.parse(run.completedAt) - Date.parse(run.startedAt) };
    },
    close: async () => {
      agent.destroy();
      await endings.close();
    },
  };
}

type Endings = {
  /** The moment (performance.now) at which this client learnt that the run had ended. */
  readonly of: (runId: string) => Promise<number>;
  readonly close: () => Promise<void>;
};

/** Subscribes and resolves when the server says that nothing will be missed from here on. */
async function watchEnds(endpoint: URL, token: string, pipelineUuid: string): Promise<Endings> {
  const client = createClient({
    url: endpoint.href.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { token },
    lazy: false,
    retryAttempts: 0,
  });
  const messages = client.iterate<Ended>({ query: ends, variables: { pipelineUuid } });
  const ended = new Map<string, PromiseWithResolvers<number>>();
  const ending = (runId: string) => {
    const known = ended.get(runId) ?? Promise.withResolvers<number>();
    ended.set(runId, known);
    return known;
  };

  const first = await messages.next();
  if (first.value?.data?.pipelineRunStatusChanged.__typename !== 'Subscribed') {
    throw new Error(`The subscription began with ${JSON.stringify(first.value)}.`);
  }
  // A message may come before the mutation's answer; either side may be the first to ask for a run's ending.
  const reading = (async () => {
    for await (const { data } of messages) {
      const runId = data?.pipelineRunStatusChanged.pipelineRunId;
      if (runId !== undefined) ending(runId).resolve(performance.now());
    }
  })();
  const lost = reading.then(() => {
    throw new Error('The subscription ended while a run was awaited.');
  });
  lost.catch(() => {});

  return {
    of: (runId) => Promise.race([ending(runId).promise, lost]).finally(() => ended.delete(runId)),
    close: async () => {
      await client.dispose();
    },
  };
}
