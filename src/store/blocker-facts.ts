import type pg from 'pg';
import { groupLimit } from '../domain/admission.ts';
import type { BlockRunFacts, CallbackFacts, LimitUse, RunFacts, WorldFacts } from '../domain/blockers.ts';
import type { BlockRunStatus, PipelineRunStatus } from '../domain/lifecycle.ts';
import { limitsOfTriggers, pipelineLimits } from './admission.ts';
import { labelFacts } from './label-facts.ts';
import { isSchedulerAlive } from './scheduler-presence.ts';

type Client = pg.ClientBase | pg.Pool;

/** Of holders, at most this many are read for each limit and label. */
const mostHolders = 20;

/** Of the queued and of the running block runs of one run, at most this many are read. */
const mostBlocks = 200;

/** What decides why runs wait: each run that has not ended, and what is the same for all. */
export type BlockerFacts = { readonly runs: ReadonlyMap<bigint, RunFacts>; readonly world: WorldFacts };

type RunRow = {
  id: bigint;
  status: PipelineRunStatus;
  ending_status: PipelineRunStatus | null;
  pipeline_uuid: string;
  trigger_id: bigint | null;
  trigger_name: string | null;
  asked_at: Date;
  started_at: Date | null;
  stopping_since: Date | null;
  blocks_initial: number;
  block_run_limit: number | null;
  needs_settling: boolean;
  callbacks_open: number;
};

/** Reads the facts of those of `ids` that have not ended. However many they are, at most nine statements. */
export async function readBlockerFacts(client: Client, ids: readonly bigint[], now: Date): Promise<BlockerFacts> {
  const rows = await openRuns(client, ids);
  const initial = rows.filter((row) => row.status === 'initial');
  const running = rows.filter((row) => row.status === 'running').map((row) => row.id);
  const limits = await limitsOf(client, initial);
  const blocks = await openBlocks(client, running);
  const callbacks = await openCallbacks(
    client,
    rows.filter((row) => row.callbacks_open > 0).map((row) => row.id),
  );
  const runs = rows.map(
    (row): RunFacts => ({
      id: row.id,
      status: row.status,
      endingStatus: row.ending_status,
      pipelineUuid: row.pipeline_uuid,
      triggerId: row.trigger_id,
      triggerName: row.trigger_name,
      askedAt: row.asked_at,
      startedAt: row.started_at,
      stoppingSince: row.stopping_since,
      blocksInitial: row.blocks_initial,
      blockRunLimit: row.block_run_limit,
      needsSettling: row.needs_settling,
      callbacksOpen: row.callbacks_open,
      ...limits(row),
      blocks: blocks.get(row.id) ?? [],
      callbacks: callbacks.get(row.id) ?? [],
    }),
  );

  const waiting = runs.flatMap((run) => [
    // One that is running without a worker waits for one, when its time has come.
    ...run.blocks.filter((block) => block.status === 'queued' || !block.isHeld),
    ...run.callbacks.filter((callback) => !callback.isRunning),
  ]);
  const needsScheduler = rows.some((row) => row.status === 'initial' || row.needs_settling);
  return {
    runs: new Map(runs.map((run) => [run.id, run])),
    world: {
      now,
      isSchedulerAlive: needsScheduler ? await isSchedulerAlive(client) : true,
      labels: await labelFacts(client, [...new Set(waiting.map(({ label }) => label))], mostHolders),
    },
  };
}

async function openRuns(client: Client, ids: readonly bigint[]): Promise<readonly RunRow[]> {
  if (ids.length === 0) return [];
  const result = await client.query<RunRow>({
    name: 'blocker-facts-runs',
    text: `select id, status, ending_status, pipeline_uuid, trigger_id, trigger_name, attempt_created_at as asked_at, started_at,
                  blocks_initial, block_run_limit, needs_settling, callbacks_open,
                  case when ending_status is not null then coalesce(cancel_requested_at, (
                    select max(b.completed_at) from block_run b where b.pipeline_run_id = r.id and b.status = 'failed')) end as stopping_since
             from pipeline_run r where id = any($1) and status in ('initial', 'running')`,
    values: [ids],
  });
  return result.rows;
}

/** How far the limits of initial runs are used. */
async function limitsOf(
  client: Client,
  initial: readonly RunRow[],
): Promise<(row: RunRow) => Pick<RunFacts, 'groupLimit' | 'allTriggersLimit'>> {
  if (initial.length === 0) return () => ({ groupLimit: null, allTriggersLimit: null });
  const limits = await pipelineLimits(client, [...new Set(initial.map((row) => row.pipeline_uuid))]);
  const triggerLimits = await limitsOfTriggers(client, [...new Set(initial.flatMap((row) => row.trigger_id ?? []))]);
  const limitOf = (row: RunRow) => groupLimit({ limits, triggerLimits }, row.pipeline_uuid, row.trigger_id);
  const limited = initial.filter((row) => limits.has(row.pipeline_uuid) || limitOf(row) !== null);
  const groups = await runningGroups(client, [...new Set(limited.map((row) => row.pipeline_uuid))]);

  const use = (limit: number, counted: readonly RunningGroup[]): LimitUse => ({
    limit,
    inUse: counted.reduce((sum, group) => sum + group.count, 0),
    holders: counted.flatMap((group) => group.holders).slice(0, mostHolders),
  });
  return (row) => {
    const ofPipeline = groups.filter((group) => group.pipeline_uuid === row.pipeline_uuid);
    const ofGroup = ofPipeline.filter((group) => group.trigger_id === row.trigger_id);
    const limit = row.status === 'initial' ? limitOf(row) : null;
    const all = row.status === 'initial' ? (limits.get(row.pipeline_uuid)?.allTriggers ?? null) : null;
    const isTriggersOwn = row.trigger_id !== null && triggerLimits.has(row.trigger_id);
    return {
      groupLimit: limit === null ? null : { ...use(limit, ofGroup), isTriggersOwn },
      allTriggersLimit: all === null ? null : use(all, ofPipeline),
    };
  };
}

type RunningGroup = { pipeline_uuid: string; trigger_id: bigint | null; count: number; holders: bigint[] };

async function runningGroups(client: Client, pipelines: readonly string[]): Promise<readonly RunningGroup[]> {
  if (pipelines.length === 0) return [];
  const result = await client.query<RunningGroup>({
    name: 'blocker-facts-running',
    text: `select pipeline_uuid, trigger_id, count(*)::int as count, (array_agg(id order by id))[1:${mostHolders}] as holders
             from pipeline_run where status = 'running' and pipeline_uuid = any($1) group by 1, 2`,
    values: [pipelines],
  });
  return result.rows;
}

const blockColumns = `b.id, b.pipeline_run_id, b.block_uuid, b.status, b.label, b.worker_id is not null and b.child_run_id is null as is_held, b.stop_requested,
  b.next_attempt_at, b.child_run_id, b.created_at, b.queued_at, b.started_at`;

type BlockRow = {
  id: bigint;
  pipeline_run_id: bigint;
  block_uuid: string;
  status: BlockRunStatus;
  label: string;
  is_held: boolean;
  stop_requested: boolean;
  next_attempt_at: Date | null;
  child_run_id: bigint | null;
  created_at: Date;
  queued_at: Date | null;
  started_at: Date | null;
};

async function openBlocks(
  client: Client,
  runs: readonly bigint[],
): Promise<ReadonlyMap<bigint, readonly BlockRunFacts[]>> {
  if (runs.length === 0) return new Map();
  const result = await client.query<BlockRow>({
    name: 'blocker-facts-blocks',
    text: `select * from (
             select ${blockColumns}, row_number() over (partition by b.pipeline_run_id, b.status order by b.next_attempt_at nulls first, b.position) as place
               from block_run b where b.pipeline_run_id = any($1) and b.status in ('queued', 'running')) x
            where x.place <= ${mostBlocks} order by x.id`,
    values: [runs],
  });
  const rows = Map.groupBy(result.rows, (row) => row.pipeline_run_id);
  return new Map([...rows].map(([run, blocks]) => [run, blocks.map(blockFacts)]));
}

async function openCallbacks(
  client: Client,
  runs: readonly bigint[],
): Promise<ReadonlyMap<bigint, readonly CallbackFacts[]>> {
  if (runs.length === 0) return new Map();
  const result = await client.query<{
    pipeline_run_id: bigint;
    block_run_id: bigint;
    label: string;
    status: string;
    since: Date;
  }>({
    name: 'blocker-facts-callbacks',
    text: `select pipeline_run_id, block_run_id, label, status, coalesce(started_at, created_at) as since
             from callback_run where pipeline_run_id = any($1) and status in ('queued', 'running') order by id`,
    values: [runs],
  });
  const rows = Map.groupBy(result.rows, (row) => row.pipeline_run_id);
  const facts = (row: (typeof result.rows)[number]): CallbackFacts => ({
    blockRunId: row.block_run_id,
    label: row.label,
    isRunning: row.status === 'running',
    since: row.since,
  });
  return new Map([...rows].map(([run, callbacks]) => [run, callbacks.map(facts)]));
}

/** A block run that has not ended, and its upstreams that have not. */
export type OpenBlockRun = {
  readonly pipelineRunId: bigint;
  readonly facts: BlockRunFacts;
  readonly pending: readonly { readonly id: bigint; readonly blockUuid: string }[];
};

/** Reads block runs for `blockersOfBlockRun`, in two statements; those that have ended are left out. */
export async function readOpenBlockRuns(client: Client, ids: readonly bigint[]): Promise<readonly OpenBlockRun[]> {
  const blocks = await client.query<BlockRow & { upstream: bigint[] }>({
    name: 'blocker-facts-block-runs',
    text: `select ${blockColumns}, case when b.status = 'initial' then b.upstream else '{}' end as upstream
             from block_run b where b.id = any($1) and b.status in ('initial', 'queued', 'running')`,
    values: [ids],
  });
  const upstream = [...new Set(blocks.rows.flatMap((row) => row.upstream))];
  const pending =
    upstream.length === 0
      ? []
      : (
          await client.query<{ id: bigint; block_uuid: string }>({
            name: 'blocker-facts-upstream',
            text: `select id, block_uuid from block_run where id = any($1) and status in ('initial', 'queued', 'running')`,
            values: [upstream],
          })
        ).rows;
  const names = new Map(pending.map((row) => [row.id, row.block_uuid]));
  return blocks.rows.map((row) => ({
    pipelineRunId: row.pipeline_run_id,
    facts: blockFacts(row),
    pending: row.upstream.flatMap((id) => (names.has(id) ? { id, blockUuid: names.get(id)! } : [])),
  }));
}

function blockFacts(row: BlockRow): BlockRunFacts {
  return {
    id: row.id,
    blockUuid: row.block_uuid,
    status: row.status,
    label: row.label,
    isHeld: row.is_held,
    stopRequested: row.stop_requested,
    nextAttemptAt: row.next_attempt_at,
    childRunId: row.child_run_id,
    createdAt: row.created_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
  };
}
