import { topologicalOrder } from './graph.ts';
import {
  type BlockRunStatus,
  isTerminalBlock,
  type PipelineRunStatus,
  type RunError,
  type StatusReason,
  type StatusReasonCode,
} from './lifecycle.ts';
import type { TriggerRule } from './pipeline.ts';

/** A run and its block runs as a planner sees them, read under the run's row lock. */
export type RunSnapshot = {
  readonly id: bigint;
  readonly status: PipelineRunStatus;
  readonly endingStatus: PipelineRunStatus | null;
  readonly reason: StatusReason | null;
  readonly attempt: number;
  readonly allowBlocksToFail: boolean;
  /** The most block runs that may be queued or running at once; null when nothing limits them. */
  readonly blockRunLimit: number | null;
  /** Callback runs that have not ended: the run does not end before they have. */
  readonly openCallbacks: number;
  /** Whether somebody has cancelled it, in its present attempt. */
  readonly isCancelRequested: boolean;
  /** In definition order. */
  readonly blocks: readonly BlockRunSnapshot[];
};

export type BlockRunSnapshot = {
  readonly id: bigint;
  readonly uuid: string;
  readonly status: BlockRunStatus;
  readonly attempt: number;
  readonly upstream: readonly bigint[];
  readonly triggerRule: TriggerRule;
  readonly stopRequested: boolean;
  readonly reason: StatusReason | null;
  readonly error: RunError | null;
  /** Whether it counts toward the limit: queued or running, but no waiting retry, and nothing that waits without a slot. */
  readonly takesPlace: boolean;
  /** Of a waiting retry, and of a sensor between two calls: when it is due. From then on it wants a place under the limit. */
  readonly comesBackAt: Date | null;
  /** A running sensor that no worker holds, because it waits for its next call. */
  readonly isBetweenCalls: boolean;
  /** Whether its end makes callback runs: it has callbacks, and has started. */
  readonly owesCallbacks: boolean;
};

/** One block run's move. `to: 'initial'` is a reset by a retry; `bumpFence` shuts out a worker that will not report. */
export type BlockChange = {
  readonly block: BlockRunSnapshot;
  readonly to: BlockRunStatus;
  readonly reason: StatusReason | null;
  /** Of a reset: how many upstreams it waits for. */
  readonly pendingUpstream?: number;
  readonly bumpFence?: boolean;
  readonly error?: RunError;
};

/** What a planner decided. The store carries it out in one transaction (`applyRunPlan`), with one history entry per change. */
export type RunPlan = {
  /** History entries that come before those of the changes. */
  readonly announcements: readonly Announcement[];
  readonly blocks: readonly BlockChange[];
  /** Running block runs whose workers have to stop them. */
  readonly stop: readonly BlockRunSnapshot[];
  readonly stopReason: StatusReason | null;
  /** Retries and sensors that are due and have a place under the run's limit: they may be claimed. */
  readonly comeBack: readonly BlockRunSnapshot[];
  /** The run's move, when it moves. */
  readonly to: PipelineRunStatus | null;
  readonly reason: StatusReason | null;
  /** The end that the run is on its way to, from now on. */
  readonly ending: PipelineRunStatus | null;
  readonly error: RunError | null;
};

export type Announcement = {
  readonly kind: 'cancel_requested' | 'run_retried' | 'timed_out' | 'block_worker_lost' | 'variables_changed';
  readonly reason: StatusReason | null;
  readonly block?: BlockRunSnapshot;
};

/** A plan that changes nothing. */
export const nothing: RunPlan = {
  announcements: [],
  blocks: [],
  stop: [],
  stopReason: null,
  comeBack: [],
  to: null,
  reason: null,
  ending: null,
  error: null,
};

type Verdict = 'wait' | 'run' | 'upstream_failed' | 'condition_failed';

/**
 * Judges a block's trigger rule (semantics: a cancelled upstream counts as failed). Every rule waits for all upstreams,
 * but one_success, which goes at the first completed one.
 */
export function judgeTriggerRule(rule: TriggerRule, upstream: readonly BlockRunStatus[]): Verdict {
  const failed = upstream.some((s) => s === 'failed' || s === 'upstream_failed' || s === 'cancelled');
  const skipped = upstream.some((s) => s === 'condition_failed');
  const allEnded = upstream.every(isTerminalBlock);
  const never = failed ? 'upstream_failed' : 'condition_failed';
  switch (rule) {
    case 'all_success':
      if (failed || skipped) return never;
      return allEnded ? 'run' : 'wait';
    case 'none_failed':
      if (failed) return 'upstream_failed';
      return allEnded ? 'run' : 'wait';
    case 'all_done':
      return allEnded ? 'run' : 'wait';
    case 'one_success':
      if (upstream.some((s) => s === 'completed')) return 'run';
      return allEnded ? never : 'wait';
  }
}

/**
 * Decides what a running run does next: which blocks are queued, which can never run, whether the run is on its way to an
 * end, and whether it has reached it. `step` decides the same for the ordinary case (a block completed, rules all_success)
 * inside of Postgres; a test holds the two against each other.
 */
export function planSettlement(run: RunSnapshot, now: Date): RunPlan {
  if (run.status !== 'running') return nothing;
  const status = new Map(run.blocks.map((block) => [block.id, block.status]));
  const changes = new Map<bigint, BlockChange>();
  const change = (block: BlockRunSnapshot, to: BlockRunStatus, reason: StatusReason | null) => {
    status.set(block.id, to);
    changes.set(block.id, { block, to, reason, ...(block.isBetweenCalls ? { bumpFence: true } : {}) });
  };

  const failure = run.blocks.find((block) => block.status === 'failed');
  const failsNow = failure !== undefined && run.endingStatus === null && !run.allowBlocksToFail;
  const runReason = failsNow ? blockFailed(failure) : run.reason;
  const ending = failsNow ? 'failed' : run.endingStatus;

  let comeBack: readonly BlockRunSnapshot[] = [];

  /** Queues what may run, in definition order, as far as the run's limit has room; what comes back goes first, or it might wait for ever. */
  const queueWithinLimit = (mayRun: ReadonlySet<bigint>) => {
    const taken = run.blocks.filter((block) =>
      changes.has(block.id) ? status.get(block.id) === 'queued' : block.takesPlace,
    ).length;
    const room = run.blockRunLimit === null ? Infinity : Math.max(0, run.blockRunLimit - taken);
    // Without a limit what is due is in the queue already.
    comeBack =
      run.blockRunLimit === null
        ? []
        : dueNow(run, now)
            .filter((block) => !changes.has(block.id))
            .slice(0, room);
    const next = run.blocks.filter((block) => mayRun.has(block.id)).slice(0, room - comeBack.length);
    for (const block of next) change(block, 'queued', null);
  };

  /** Judges what has not begun, in topological order, so that one verdict can rest on another. */
  const judgeWaiting = () => {
    const mayRun = new Set<bigint>();
    for (const block of inOrder(run)) {
      if (status.get(block.id) !== 'initial') continue;
      const verdict = judgeTriggerRule(
        block.triggerRule,
        block.upstream.map((id) => status.get(id) ?? 'initial'),
      );
      if (verdict === 'run') mayRun.add(block.id);
      else if (verdict !== 'wait') change(block, verdict, neverRuns(verdict));
    }
    queueWithinLimit(mayRun);
  };

  judgeWaiting();
  const stop: BlockRunSnapshot[] = [];
  const stopReason = runReason && {
    ...runReason,
    code: stopCode(runReason.code),
    message: `Stopped: ${runReason.message}`,
  };
  if (failsNow) {
    const spared = belowFailures(run);
    for (const block of run.blocks) {
      if (spared.has(block.id)) continue;
      const now = status.get(block.id)!;
      if (now === 'initial' || now === 'queued' || block.isBetweenCalls) change(block, 'cancelled', stopReason);
      else if (now === 'running') stop.push(block);
    }
    // What was cancelled just now may have been all that a block below the failure waited for.
    judgeWaiting();
  }

  const plan: RunPlan = {
    ...nothing,
    blocks: [...changes.values()].filter((c) => c.to !== c.block.status),
    stop,
    stopReason,
    comeBack,
    ending: failsNow ? 'failed' : null,
    reason: failsNow ? runReason : null,
    error: failsNow ? failure.error : null,
  };
  return withEnd(plan, run, [...status.values()], ending, runReason);
}

/** Decides what a cancel does now: what has not begun is cancelled, what runs is told to stop (once), and a run of which nothing runs ends. */
export function planCancel(run: RunSnapshot, reason: StatusReason): RunPlan {
  const blocks: BlockChange[] = [];
  const running: BlockRunSnapshot[] = [];
  for (const block of run.blocks) {
    if (block.status === 'initial' || block.status === 'queued') blocks.push({ block, to: 'cancelled', reason });
    else if (block.isBetweenCalls) blocks.push({ block, to: 'cancelled', reason, bumpFence: true });
    else if (block.status === 'running') running.push(block);
  }
  const plan: RunPlan = {
    ...nothing,
    announcements: [{ kind: 'cancel_requested', reason }],
    blocks,
    stop: running.filter((block) => !block.stopRequested),
    stopReason: reason,
    // The first cause wins: a run that already fails goes on to fail.
    ending: run.endingStatus ?? 'cancelled',
    reason: run.endingStatus === null ? reason : null,
  };
  if (running.length > 0 || waitsForCallbacks(run, blocks)) return plan;
  return { ...plan, to: plan.ending, reason: plan.reason ?? run.reason };
}

/** Decides the end of a run whose definition is invalid at its start: it fails, and nothing of it ever ran. */
export function planInvalidDefinition(message: string): RunPlan {
  return {
    ...nothing,
    to: 'failed',
    reason: { code: 'DEFINITION_INVALID', message, actor: null },
    error: { blockUuid: null, type: 'DefinitionInvalid', message, stackTrace: null },
  };
}

/** Decides what a passed deadline does to a run that is on its way to no end yet: like a cancel, but it comes to `outcome` with TIMED_OUT. */
export function planTimeout(run: RunSnapshot, outcome: 'failed' | 'cancelled', reason: StatusReason): RunPlan {
  const plan = planCancel(run, reason);
  return {
    ...plan,
    announcements: [{ kind: 'timed_out', reason }],
    ending: outcome,
    to: plan.to === null ? null : outcome,
    error: { blockUuid: null, type: 'Timeout', message: reason.message, stackTrace: null },
  };
}

/**
 * Everything downstream of a failure. What of it is still waiting when its rules have been judged can still be met, and what runs has been met:
 * teardown and join blocks, and what waits for those.
 */
function belowFailures(run: RunSnapshot): ReadonlySet<bigint> {
  const below = new Set(run.blocks.filter((block) => block.status === 'failed').map((block) => block.id));
  for (const block of inOrder(run)) if (block.upstream.some((id) => below.has(id))) below.add(block.id);
  return below;
}

/** Whether callback runs stand between the run and its end: open ones, or those that these changes make. */
function waitsForCallbacks(run: RunSnapshot, changes: readonly BlockChange[]): boolean {
  const owed = changes.some(({ block, to }) => block.owesCallbacks && (to === 'failed' || to === 'cancelled'));
  return owed || run.openCallbacks > 0;
}

function withEnd(
  plan: RunPlan,
  run: RunSnapshot,
  statuses: readonly BlockRunStatus[],
  ending: PipelineRunStatus | null,
  reason: StatusReason | null,
): RunPlan {
  if (plan.stop.length > 0 || !statuses.every(isTerminalBlock) || waitsForCallbacks(run, plan.blocks)) return plan;
  if (ending !== null) return { ...plan, to: ending, reason };
  if (statuses.some((s) => s === 'failed' || s === 'upstream_failed')) {
    const failures = run.blocks.filter((b) => b.status === 'failed');
    const stranded = run.blocks.filter((_, place) => statuses[place] === 'upstream_failed');
    // After a retry from a block, what failed above another one may have completed since, and that one did not run again.
    const message =
      failures.length > 0
        ? `${named(failures)} failed.`
        : `${named(stranded)} could not run: what it waits for had failed. Retry what is incomplete.`;
    return {
      ...plan,
      to: 'failed',
      reason: { code: 'BLOCK_FAILED', message, actor: null },
      error: failures[0]?.error ?? null,
    };
  }
  if (statuses.includes('cancelled')) {
    return {
      ...plan,
      to: 'cancelled',
      reason: { code: 'OTHER', message: 'Some of its blocks were cancelled.', actor: null },
    };
  }
  return { ...plan, to: 'completed', reason: { code: 'SUCCEEDED', message: 'Every block completed.', actor: null } };
}

/** Retries and sensors whose time has come, the longest due first. */
function dueNow(run: RunSnapshot, now: Date): readonly BlockRunSnapshot[] {
  const dueAt = (block: BlockRunSnapshot) => block.comesBackAt?.getTime() ?? Infinity;
  return run.blocks.filter((block) => dueAt(block) <= now.getTime()).sort((a, b) => dueAt(a) - dueAt(b));
}

function inOrder(run: RunSnapshot): readonly BlockRunSnapshot[] {
  const byId = new Map(run.blocks.map((block) => [block.id, block]));
  const order = topologicalOrder(new Map(run.blocks.map((block) => [block.id, block.upstream])));
  return (order ?? [...byId.keys()]).flatMap((id) => byId.get(id) ?? []);
}

function blockFailed(block: BlockRunSnapshot): StatusReason {
  const why = block.error?.message ?? block.reason?.message;
  return { code: 'BLOCK_FAILED', message: `Block ${block.uuid} failed${why ? `: ${why}` : '.'}`, actor: null };
}

function neverRuns(verdict: 'upstream_failed' | 'condition_failed'): StatusReason {
  return verdict === 'upstream_failed'
    ? { code: 'UPSTREAM_FAILED', message: 'A block that it waits for failed.', actor: null }
    : { code: 'CONDITION_FALSE', message: 'A block that it waits for was skipped by its condition.', actor: null };
}

/** What a block run says that was stopped because its run fails: not that it failed itself. */
function stopCode(code: StatusReasonCode): StatusReasonCode {
  return code === 'BLOCK_FAILED' ? 'RUN_ENDED' : code;
}

function named(blocks: readonly BlockRunSnapshot[]): string {
  const names = blocks.map((b) => b.uuid).slice(0, 5);
  const more = blocks.length - names.length;
  const list = names.join(', ') + (more > 0 ? ` and ${more} more` : '');
  return blocks.length === 1 ? `Block ${list}` : `Blocks ${list}`;
}
