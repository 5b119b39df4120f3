import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Benchmark, Contender, Figures } from './benchmark.ts';
import { startServer, stopServer } from './ours.ts';
import type { ServerAddress } from './ours-client.ts';
import { peerContender } from './peers/peer-process.ts';
import { postJson } from './post-json.ts';
import { heldChainProject } from './projects.ts';

export type BatchSizes = {
  readonly runs: number;
  /** Block runs of each run. */
  readonly blocks: number;
  /** How long others are watched while nothing goes on: as long as a batch takes, because a percentile of fewer calls says little. */
  readonly idleMs: number;
};

export const batchSizes: BatchSizes = { runs: 10_000, blocks: 10, idleMs: 3000 };

/** Benchmark 10: cancel, then retry thousands of runs by filter, beside the bare limit of changing the same rows. */
export function batch10k(sizes: BatchSizes): Benchmark {
  const { runs, blocks } = sizes;
  return {
    name: 'batch-10k',
    about: `Cancel, then retry ${runs} runs of ${blocks} block runs each by filter, one result per run: from just before the mutation is sent to the batch's end as its caller sees it, the two added up. Beside it, on the same tables with the same indexes: two transactions that UPDATE the same runs and block runs and INSERT … SELECT the same events, and keep nothing else. Meanwhile somebody else asks for the newest 25 runs a hundred times a second; the raw figures hold the 99th percentile of these calls, of the same on an idle server, and their ratio, which is to be 2 at most.`,
    unit: 'ms',
    better: 'lower',
    ours: oursInBatches(sizes),
    peers: [
      {
        target: 3,
        contender: peerContender({
          name: 'the same rows in SQL',
          program: 'batch-sql.ts',
          usesPostgres: true,
          installedSeparately: false,
          size: runs,
          perRound: blocks,
          warmUps: 0,
        }),
      },
    ],
  };
}

type Ask = <T>(query: string, variables?: object) => Promise<T>;

function oursInBatches({ runs, blocks, idleMs }: BatchSizes): Contender {
  return {
    name: 'Penstock',
    usesPostgres: true,
    installedSeparately: false,
    start: async (ground) => {
      const project = heldChainProject(blocks);
      const server = await startServer(ground, project);
      const agent = new http.Agent({ keepAlive: true });
      const ask = asker(server.address, agent);
      try {
        await createRuns(ask, project.pipelineUuid, runs);
        // A cancel and a retry before the clock runs: the tables then are as the next rounds find them.
        await cancelAndRetry(ask, project.pipelineUuid, runs, idleMs);
      } catch (error) {
        await stopServer(server.process);
        throw error;
      }
      return {
        pid: server.process.pid!,
        measure: () => cancelAndRetry(ask, project.pipelineUuid, runs, idleMs),
        stop: async () => {
          agent.destroy();
          await stopServer(server.process);
        },
      };
    },
  };
}

function asker(address: ServerAddress, agent: http.Agent): Ask {
  const { hostname, port } = new URL(address.url);
  const headers = { authorization: `Bearer ${address.token}` };
  return async <T>(query: string, variables: object = {}) => {
    const answer = await postJson({ hostname, port, path: '/graphql', agent, headers }, { query, variables });
    const { data, errors } = answer as { readonly data: T; readonly errors?: readonly { readonly message: string }[] };
    if (errors !== undefined) throw new Error(errors.map((error) => error.message).join('; '));
    return data;
  };
}

async function createRuns(ask: Ask, pipelineUuid: string, runs: number): Promise<void> {
  const perCall = 100;
  for (let made = 0; made < runs; made += perCall) {
    const batch = Array.from({ length: Math.min(perCall, runs - made) }, () => ({ pipelineUuid }));
    await ask(
      /* GraphQL */ `
        mutation ($runs: [TriggerPipelineRunInput!]!) {
          triggerPipelineRuns(input: { runs: $runs }) { results { __typename } }
        }`,
      { runs: batch },
    );
  }
}

async function cancelAndRetry(ask: Ask, pipelineUuid: string, runs: number, idleMs: number): Promise<Figures> {
  const idle = await othersDuring(ask, pause(idleMs));
  const filter = { pipelineUuid: { eq: pipelineUuid } };
  const begun = performance.now();
  const work = (async () => {
    await follow(
      ask,
      await ask<Started>(
        /* GraphQL */ `
          mutation ($filter: PipelineRunFilter!) {
            started: cancelPipelineRuns(input: { selection: { filter: $filter } }) { batch { id } error { message } }
          }`,
        { filter },
      ),
      runs,
    );
    const cancelledMs = performance.now() - begun;
    await follow(
      ask,
      await ask<Started>(
        /* GraphQL */ `
          mutation ($filter: PipelineRunFilter!) {
            started: retryPipelineRuns(input: { selection: { filter: $filter }, mode: INCOMPLETE }) {
              batch { id }
              error { message }
            }
          }`,
        { filter },
      ),
      runs,
    );
    return { cancelledMs, retriedMs: performance.now() - begun - cancelledMs };
  })();
  const during = await othersDuring(ask, work);
  const { cancelledMs, retriedMs } = await work;
  const [othersIdleP99Ms, othersP99Ms] = [percentile(idle, 0.99), percentile(during, 0.99)];
  return {
    value: cancelledMs + retriedMs,
    operations: 2 * runs,
    raw: {
      cancelledMs,
      retriedMs,
      othersIdleP50Ms: percentile(idle, 0.5),
      othersIdleP99Ms,
      othersP50Ms: percentile(during, 0.5),
      othersP99Ms,
      othersP99Ratio: othersP99Ms / othersIdleP99Ms,
    },
  };
}

type Started = {
  readonly started: {
    readonly batch: { readonly id: string } | null;
    readonly error: { readonly message: string } | null;
  };
};
type Progress = {
  readonly batchOperation: { readonly status: string; readonly total: number; readonly succeeded: number };
};

/** Waits for the end of a batch; rejects unless every run was changed. */
async function follow(ask: Ask, { started }: Started, runs: number): Promise<void> {
  if (started.batch === null) throw new Error(`The batch was refused: ${started.error?.message}`);
  for (;;) {
    const { batchOperation: batch } = await ask<Progress>(
      'query ($id: ID!) { batchOperation(id: $id) { status total succeeded } }',
      { id: started.batch.id },
    );
    if (batch.status === 'COMPLETED') {
      if (batch.succeeded === runs && batch.total === runs) return;
      throw new Error(`${batch.succeeded} of ${batch.total} runs were changed, ${runs} were meant.`);
    }
    if (batch.status !== 'RUNNING') throw new Error(`The batch is ${batch.status}.`);
    await pause(20);
  }
}

/** How long calls of somebody else take while `work` goes on, in milliseconds. */
async function othersDuring(ask: Ask, work: Promise<unknown>): Promise<readonly number[]> {
  let over = false;
  const end = () => {
    over = true;
  };
  work.then(end, end);
  const times: number[] = [];
  while (!over) {
    const asked = performance.now();
    await ask('{ pipelineRuns(first: 25) { nodes { id status } } }');
    times.push(performance.now() - asked);
    await pause(10);
  }
  return times;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
