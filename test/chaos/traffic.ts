import { setTimeout as pause } from 'node:timers/promises';
import type { ChaosPipeline } from './project.ts';
import type { Random } from './random.ts';

/** Sends one GraphQL operation; rejects when it got no answer or an error. */
export type Ask = <Data>(query: string, variables: Record<string, unknown>) => Promise<Data>;

export type TrafficFigures = {
  readonly runs: number;
  readonly blocks: number;
  readonly cancels: number;
  readonly retries: number;
};

type Run = { readonly id: string; readonly status: string; readonly isTerminal: boolean };

export type TrafficPlan = {
  /** Tells its idempotency keys from those of other traffic in the same world. */
  readonly name: string;
  readonly pipelines: readonly ChaosPipeline[];
  /** Block runs that are asked for, the repeated ones of retries not counted. */
  readonly blocks: number;
  /** Runs that go on at once. */
  readonly runsAtOnce: number;
  /** Of the runs, how many are cancelled, and how many of those that end unfinished are retried. */
  readonly cancelShare: number;
  readonly retryShare: number;
  readonly random: Random;
  readonly signal: AbortSignal;
};

/** Triggers runs one after the other, cancels and retries some; resolves when enough were triggered or it is told to stop. */
export async function drive(ask: Ask, plan: TrafficPlan): Promise<TrafficFigures> {
  const { random, signal } = plan;
  const open = new Set<string>();
  let [runs, blocks, cancels, retries] = [0, 0, 0, 0];

  /** Again until there is an answer: the key, or the run's own state, makes one effect of many calls. */
  async function persist<Data>(query: string, variables: Record<string, unknown>): Promise<Data> {
    for (;;) {
      try {
        return await ask<Data>(query, variables);
      } catch (error) {
        if (signal.aborted) throw error;
        await pause(100);
      }
    }
  }

  async function trigger(): Promise<void> {
    const pipeline = random.pick(plan.pipelines)!;
    const { started } = await persist<{ started: { pipelineRun?: Run } }>(
      `mutation ($input: TriggerPipelineRunInput!) {
         started: triggerPipelineRun(input: $input) { ... on TriggerPipelineRunSuccess { pipelineRun { id status isTerminal } } } }`,
      { input: { pipelineUuid: pipeline.uuid, idempotencyKey: `${plan.name}-${runs}` } },
    );
    if (!started.pipelineRun) throw new Error(`A run of ${pipeline.uuid} was refused: ${JSON.stringify(started)}`);
    runs++;
    blocks += pipeline.blocks;
    open.add(started.pipelineRun.id);
  }

  async function cancel(id: string): Promise<void> {
    await persist(
      `mutation ($id: ID!, $key: String!) {
         cancelPipelineRuns(input: { selection: { ids: [$id] }, idempotencyKey: $key }) { __typename } }`,
      { id, key: `${plan.name}-cancel-${cancels++}` },
    );
  }

  async function look(): Promise<void> {
    const { nodes } = await persist<{ nodes: readonly (Run | null)[] }>(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on PipelineRun { id status isTerminal } } }',
      { ids: [...open] },
    );
    for (const run of nodes) {
      if (!run?.isTerminal) continue;
      if (run.status !== 'COMPLETED' && random.chance(plan.retryShare)) {
        await persist(
          `mutation ($id: ID!, $key: String!) {
             retryPipelineRuns(input: { selection: { ids: [$id] }, idempotencyKey: $key }) { __typename } }`,
          { id: run.id, key: `${plan.name}-retry-${retries++}` },
        );
      } else open.delete(run.id);
    }
  }

  try {
    while (!signal.aborted && blocks < plan.blocks) {
      if (open.size < plan.runsAtOnce) await trigger();
      else {
        await pause(30, undefined, { signal });
        await look();
      }
      const victim = random.chance(plan.cancelShare) ? random.pick([...open]) : undefined;
      if (victim !== undefined) await cancel(victim);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return { runs, blocks, cancels, retries };
}
