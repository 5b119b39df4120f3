import type { BlockRunStatus, PipelineRunStatus } from './lifecycle.ts';

/** Why something waits. The order is that of binding: what comes first has to go first. */
export const blockerCodes = [
  'STOPPING',
  'SCHEDULER_DOWN',
  'LIMIT_IS_ZERO',
  'CONCURRENCY_LIMIT',
  'PREVIOUS_RUN',
  'CALLBACK_RUNNING',
  'WORKER_UNAVAILABLE',
  'WORKERS_BUSY',
  'CHILD_RUN',
  'RETRY_BACKOFF',
  'SENSOR_WAITING',
  'UPSTREAM_PENDING',
] as const;
export type BlockerCode = (typeof blockerCodes)[number];

export const blockerScopes = ['run', 'trigger', 'pipeline', 'backfill', 'project', 'label'] as const;
/** What has to change for the blocker to go: something of the run itself, of its trigger, of its pipeline, … */
export type BlockerScope = (typeof blockerScopes)[number];

/** One reason for waiting, with the facts that a person needs to remove it. */
export type Blocker = {
  readonly code: BlockerCode;
  readonly scope: BlockerScope;
  /** A sentence: what is waited for, and what to do about it. */
  readonly message: string;
  readonly since: Date;
  /** When it goes by itself; null when nobody can say. */
  readonly until: Date | null;
  readonly limit: number | null;
  readonly inUse: number | null;
  /** Runs that stand in the way. */
  readonly holders: readonly bigint[];
  /** Block runs that stand in the way. */
  readonly holderBlockRuns: readonly bigint[];
};

/** A limit on runs, and what counts against it. */
export type LimitUse = { readonly limit: number; readonly inUse: number; readonly holders: readonly bigint[] };

/** What is known of a run that has not ended. */
export type RunFacts = {
  readonly id: bigint;
  readonly status: PipelineRunStatus;
  readonly endingStatus: PipelineRunStatus | null;
  readonly pipelineUuid: string;
  readonly triggerId: bigint | null;
  readonly triggerName: string | null;
  /** When its present attempt was asked for. */
  readonly askedAt: Date;
  readonly startedAt: Date | null;
  /** When it was told to end. */
  readonly stoppingSince: Date | null;
  readonly blocksInitial: number;
  readonly blockRunLimit: number | null;
  readonly needsSettling: boolean;
  readonly callbacksOpen: number;
  /** Of an initial run: the limit of its trigger, or of all runs without one. */
  readonly groupLimit: (LimitUse & { readonly isTriggersOwn: boolean }) | null;
  readonly allTriggersLimit: LimitUse | null;
  /** Its queued and running block runs. */
  readonly blocks: readonly BlockRunFacts[];
  /** Its callbacks that have not ended. */
  readonly callbacks: readonly CallbackFacts[];
};

export type CallbackFacts = {
  readonly blockRunId: bigint;
  readonly label: string;
  readonly isRunning: boolean;
  readonly since: Date;
};

/** What is known of a block run that has not ended. */
export type BlockRunFacts = {
  readonly id: bigint;
  readonly blockUuid: string;
  readonly status: BlockRunStatus;
  readonly label: string;
  /** Whether a worker has it: a running one without is between two calls of a sensor, or waits for a child run. */
  readonly isHeld: boolean;
  readonly stopRequested: boolean;
  readonly nextAttemptAt: Date | null;
  readonly childRunId: bigint | null;
  readonly createdAt: Date;
  readonly queuedAt: Date | null;
  readonly startedAt: Date | null;
};

/** The workers of one label: how many slots they have, how many of these are taken, and some of the block runs that take them. */
export type LabelFacts = {
  readonly workers: number;
  readonly slots: number;
  readonly inUse: number;
  readonly holders: readonly bigint[];
};

/** What is the same for everything that waits. */
export type WorldFacts = {
  readonly now: Date;
  readonly isSchedulerAlive: boolean;
  readonly labels: ReadonlyMap<string, LabelFacts>;
};

/** Why a run is not further, the binding reason first; empty when it has ended, and while something of it moves. */
export function blockersOfRun(run: RunFacts, world: WorldFacts): readonly Blocker[] {
  if (run.status === 'initial') return [...schedulerDown(run.askedAt, world), ...fullLimits(run)];
  if (run.status !== 'running') return [];

  const stopping = run.blocks.filter((block) => block.stopRequested && block.status === 'running');
  if (stopping.length > 0) return [runStops(run, stopping)];
  if (run.blocks.some(isAtWork)) return [];
  // What waits for a place waits for those that have one: these say what binds.
  const waits = run.blocks
    .filter((block) => !waitsForPlace(block, run, world.now))
    .flatMap((block) => waitsOfBlock(block, world).map((blocker) => asOfRun(blocker, block)));
  const merged = inBindingOrder([
    ...callbackRuns(run, world),
    ...merge(waits),
    ...(run.blocksInitial > 0 && run.blockRunLimit === 0 ? [blockLimit(run)] : []),
  ]);
  if (merged.length > 0) return merged;
  // The next move is the planner's, which a scheduler calls.
  return run.needsSettling ? schedulerDown(run.startedAt ?? run.askedAt, world) : [];
}

/**
 * Why a block run is not further, the binding reason first; empty when it has ended or moves. `pending` are its upstreams that have
 * not ended; `run` is its run.
 */
export function blockersOfBlockRun(
  block: BlockRunFacts,
  pending: readonly Pick<BlockRunFacts, 'id' | 'blockUuid'>[],
  run: RunFacts,
  world: WorldFacts,
): readonly Blocker[] {
  if (waitsForPlace(block, run, world.now)) return [blockLimit(run, countedBlocks(run))];
  if (block.status !== 'initial') return waitsOfBlock(block, world);
  if (run.status === 'initial') return blockersOfRun(run, world);
  if (run.status !== 'running') return [];
  const since = run.startedAt ?? block.createdAt;
  if (pending.length > 0) return [upstreamPending(pending, since)];
  const counted = countedBlocks(run);
  if (run.blockRunLimit !== null && counted.length >= run.blockRunLimit) return [blockLimit(run, counted)];
  return run.needsSettling ? schedulerDown(since, world) : [];
}

/** Whether a worker runs it now. */
function isAtWork(block: BlockRunFacts): boolean {
  return block.status === 'running' && block.isHeld;
}

/** Why a queued or running block run waits. */
function waitsOfBlock(block: BlockRunFacts, world: WorldFacts): readonly Blocker[] {
  const { blockUuid, childRunId, nextAttemptAt } = block;
  if (block.status === 'running') {
    const since = block.startedAt ?? block.createdAt;
    if (block.stopRequested) {
      const message = `${blockUuid} was told to stop; its process gets SIGTERM, and SIGKILL when it does not end within the grace.`;
      return [blocker('STOPPING', 'run', message, since)];
    }
    if (block.isHeld) return [];
    if (childRunId !== null) {
      const message = `${blockUuid} waits for run_${childRunId}, which it started; it holds no slot meanwhile.`;
      return [blocker('CHILD_RUN', 'run', message, since, { holders: [childRunId] })];
    }
    if (nextAttemptAt !== null && nextAttemptAt > world.now) {
      const message = `The sensor ${blockUuid} said no; it is asked again at ${nextAttemptAt.toISOString()} and holds no slot until then.`;
      return [blocker('SENSOR_WAITING', 'run', message, since, { until: nextAttemptAt })];
    }
    return fullWorkers(block.label, nextAttemptAt ?? since, world);
  }
  if (block.status !== 'queued') return [];
  const since = block.queuedAt ?? block.createdAt;
  if (nextAttemptAt !== null && nextAttemptAt > world.now) {
    const message = `${blockUuid} failed and is tried again at ${nextAttemptAt.toISOString()}. Cancel the run to give up sooner.`;
    return [blocker('RETRY_BACKOFF', 'run', message, since, { until: nextAttemptAt })];
  }
  return fullWorkers(block.label, since, world);
}

/** Why no worker takes what is queued for a label; empty when one has room. */
function fullWorkers(label: string, since: Date, { labels }: WorldFacts): readonly Blocker[] {
  const { workers, slots, inUse, holders } = labels.get(label) ?? { workers: 0, slots: 0, inUse: 0, holders: [] };
  if (workers === 0) {
    const message = `No worker with the label ${label} is alive. Start one with \`penstock serve --role worker --label ${label}\`.`;
    return [blocker('WORKER_UNAVAILABLE', 'label', message, since)];
  }
  if (inUse < slots) return [];
  const all = slots === 1 ? 'The one slot' : `All ${slots} slots`;
  const message = `${all} of the workers with the label ${label} ${slots === 1 ? 'is' : 'are'} busy. It goes on when one is free; start another worker, or give this one more \`--slots\`, to run more at once.`;
  return [blocker('WORKERS_BUSY', 'label', message, since, { limit: slots, inUse, holderBlockRuns: holders })];
}

function schedulerDown(since: Date, world: WorldFacts): readonly Blocker[] {
  if (world.isSchedulerAlive) return [];
  const message =
    'No scheduler is at work, and only a scheduler moves it on. Start one with `penstock serve --role scheduler`.';
  return [blocker('SCHEDULER_DOWN', 'project', message, since)];
}

/** The limits that have no room for an initial run; a limit of 0 first, then the narrower one. */
function fullLimits(run: RunFacts): readonly Blocker[] {
  const { groupLimit, allTriggersLimit: all, pipelineUuid } = run;
  const found: Blocker[] = [];
  if (groupLimit && groupLimit.inUse >= groupLimit.limit) {
    const trigger = `the trigger ${run.triggerName ?? `trg_${run.triggerId}`}`;
    const group = run.triggerId === null ? `${pipelineUuid} without a trigger` : trigger;
    const owner = groupLimit.isTriggersOwn ? trigger : `the pipeline ${pipelineUuid}`;
    const scope = run.triggerId === null ? 'pipeline' : 'trigger';
    found.push(fullLimit(scope, 'pipeline_run_limit', group, owner, groupLimit, run.askedAt));
  }
  if (all && all.inUse >= all.limit) {
    const owner = `the pipeline ${pipelineUuid}`;
    found.push(fullLimit('pipeline', 'pipeline_run_limit_all_triggers', owner, owner, all, run.askedAt));
  }
  return inBindingOrder(found);
}

function fullLimit(
  scope: BlockerScope,
  name: string,
  group: string,
  owner: string,
  use: LimitUse,
  since: Date,
): Blocker {
  const { limit, inUse, holders } = use;
  if (limit === 0) {
    const message = `${name} of ${owner} is 0, so no run of ${group} starts. Raise it, or remove it.`;
    return blocker('LIMIT_IS_ZERO', scope, message, since, { limit, inUse, holders });
  }
  const runs = inUse === 1 ? '1 run' : `${inUse} runs`;
  const message = `${runs} of ${group} ${inUse === 1 ? 'is' : 'are'} running, and ${name} of ${owner} allows ${limit}. It starts when there is room; raise the limit to run more at once.`;
  return blocker('CONCURRENCY_LIMIT', scope, message, since, { limit, inUse, holders });
}

/** Block runs that count against block_run_limit: retries until they run again, and sensors and parents that hold no slot, don't. */
function countedBlocks(run: RunFacts): readonly BlockRunFacts[] {
  return run.blocks.filter((block) => (block.status === 'queued' ? block.nextAttemptAt === null : isAtWork(block)));
}

/** Whether it is a retry or a sensor that has come due while its run's limit has no place. */
function waitsForPlace(block: BlockRunFacts, run: RunFacts, now: Date): boolean {
  const { status, isHeld, childRunId, nextAttemptAt } = block;
  if (run.blockRunLimit === null || nextAttemptAt === null || nextAttemptAt > now) return false;
  const comesBack = status === 'queued' || (status === 'running' && !isHeld && childRunId === null);
  return comesBack && countedBlocks(run).length >= run.blockRunLimit;
}

function blockLimit(run: RunFacts, counted: readonly BlockRunFacts[] = []): Blocker {
  const limit = run.blockRunLimit ?? 0;
  const since = run.startedAt ?? run.askedAt;
  const facts = { limit, inUse: counted.length, holderBlockRuns: counted.map((block) => block.id) };
  if (limit === 0) {
    const message = `block_run_limit of the pipeline ${run.pipelineUuid} is 0, so none of its blocks starts. Raise it, or remove it, and start a new run.`;
    return blocker('LIMIT_IS_ZERO', 'run', message, since, facts);
  }
  const message = `${counted.length} of its run's blocks are queued or running, and block_run_limit of the pipeline ${run.pipelineUuid} allows ${limit}. It goes on when one of them ends.`;
  return blocker('CONCURRENCY_LIMIT', 'run', message, since, facts);
}

function upstreamPending(pending: readonly Pick<BlockRunFacts, 'id' | 'blockUuid'>[], since: Date): Blocker {
  const message = `It waits for ${listed(pending.map((block) => block.blockUuid))} to end.`;
  return blocker('UPSTREAM_PENDING', 'run', message, since, { holderBlockRuns: pending.map((block) => block.id) });
}

function runStops(run: RunFacts, stopping: readonly BlockRunFacts[]): Blocker {
  const since = run.stoppingSince ?? run.startedAt ?? run.askedAt;
  const end = run.endingStatus === null ? '' : ` It will be ${run.endingStatus}.`;
  const message = `It stops: ${listed(stopping.map((block) => block.blockUuid))} still ${stopping.length === 1 ? 'has a process' : 'have processes'}, which get SIGTERM, and SIGKILL when they do not end within the grace.${end}`;
  return blocker('STOPPING', 'run', message, since, { holderBlockRuns: stopping.map((block) => block.id) });
}

/** Callbacks are the last that a run waits for: only when all its blocks have ended. */
function callbackRuns(run: RunFacts, world: WorldFacts): readonly Blocker[] {
  if (run.callbacksOpen === 0 || run.blocks.length > 0 || run.blocksInitial > 0) return [];
  const since = earliest(run.callbacks.map((callback) => callback.since)) ?? run.startedAt ?? run.askedAt;
  const what = run.callbacksOpen === 1 ? '1 callback has' : `${run.callbacksOpen} callbacks have`;
  const message = `Its blocks have ended, and ${what} not; it ends after them. A callback may run for 60 s.`;
  const holderBlockRuns = [...new Set(run.callbacks.map((callback) => callback.blockRunId))];
  const queued = run.callbacks.filter((callback) => !callback.isRunning);
  return [
    blocker('CALLBACK_RUNNING', 'run', message, since, { holderBlockRuns }),
    ...merge(queued.flatMap((callback) => fullWorkers(callback.label, callback.since, world))),
  ];
}

/** A block run's reason as its run's: whoever looks at the run wants to know which block runs it is about. */
function asOfRun(of: Blocker, block: BlockRunFacts): Blocker {
  return of.scope === 'run' ? { ...of, holderBlockRuns: [block.id] } : of;
}

/** One blocker for equal ones of many block runs: the longest wait, and the earliest end. */
function merge(blockers: readonly Blocker[]): readonly Blocker[] {
  const alike = Map.groupBy(blockers, (each) => (each.scope === 'run' ? each.code : each.message));
  return [...alike.values()].map((group) => {
    const first = group.reduce((a, b) => ((b.until ?? b.since) < (a.until ?? a.since) ? b : a));
    return {
      ...first,
      since: earliest(group.map((each) => each.since)) ?? first.since,
      holders: [...new Set(group.flatMap((each) => each.holders))],
      holderBlockRuns: [...new Set(group.flatMap((each) => each.holderBlockRuns))],
    };
  });
}

function inBindingOrder(blockers: readonly Blocker[]): readonly Blocker[] {
  return [...blockers].sort((a, b) => blockerCodes.indexOf(a.code) - blockerCodes.indexOf(b.code));
}

function blocker(
  code: BlockerCode,
  scope: BlockerScope,
  message: string,
  since: Date,
  facts: Partial<Pick<Blocker, 'until' | 'limit' | 'inUse' | 'holders' | 'holderBlockRuns'>> = {},
): Blocker {
  return {
    code,
    scope,
    message,
    since,
    until: null,
    limit: null,
    inUse: null,
    holders: [],
    holderBlockRuns: [],
    ...facts,
  };
}

function earliest(dates: readonly Date[]): Date | null {
  return dates.reduce<Date | null>((first, date) => (first === null || date < first ? date : first), null);
}

function listed(names: readonly string[]): string {
  const more = names.length - 3;
  return names.slice(0, 3).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
