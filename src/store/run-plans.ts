import type pg from 'pg';
import type { StatusReason } from '../domain/lifecycle.ts';
import type { JsonObject } from '../domain/pipeline.ts';
import type { BlockRunSnapshot, RunPlan, RunSnapshot } from '../domain/run.ts';
import { planHistory } from '../domain/run-history.ts';

/** What a retry in place changes on the run besides its block runs. */
export type RetryChange = {
  readonly attempt: number;
  readonly mode: 'incomplete' | 'from_block';
  readonly fromBlock: string | null;
  readonly actor: string;
  readonly why: string | null;
  readonly codeVersion: string;
  readonly variables: JsonObject;
};

export type PlanOptions = {
  readonly retry?: RetryChange;
  readonly cancelRequested?: boolean;
  /** The planner has to look at the run again: set by plans that settle nothing themselves. */
  readonly settleAfter?: boolean;
};

/** A decision about one run, ready to be carried out. */
export type PlannedRun = { readonly run: RunSnapshot; readonly plan: RunPlan; readonly options?: PlanOptions };

/** Carries out a plan on a run that `lockRun` locked in the same transaction. */
export function applyRunPlan(
  client: pg.ClientBase,
  run: RunSnapshot,
  plan: RunPlan,
  now: Date,
  options: PlanOptions = {},
): Promise<void> {
  return applyRunPlans(client, [{ run, plan, options }], now);
}

/** Carries out plans on runs that `lockRuns` locked in the same transaction, each run once. */
export async function applyRunPlans(client: pg.ClientBase, plans: readonly PlannedRun[], now: Date): Promise<void> {
  if (plans.length === 0) return;
  const comeBack = plans.flatMap(({ plan }) => plan.comeBack);
  if (comeBack.length > 0) await putIntoQueue(client, comeBack, now);
  const changes: object[] = [];
  const events: object[] = [];
  const errors: object[] = [];
  const stop: bigint[] = [];
  const reasons = reasonTable();
  const blocks: BlockColumns = { run: [], id: [], from: [], to: [], reason: [], pending: [], bump: [], seq: [] };
  for (const { run, plan, options = {} } of plans) {
    const runId = run.id.toString();
    const history = planHistory(run, plan);
    changes.push({ run: runId, change: changeOf(plan, options), events: history.length });
    const told = new Map<string, number>();
    const moved = new Set(plan.blocks.map(({ block }) => block.id.toString()));
    for (const [index, entry] of history.entries()) {
      const n = index + 1;
      const { kind, blockRunId } = entry;
      // The entry of a block's change says what the change says: it is written from that.
      if (kind === 'block_status_changed' && blockRunId && moved.has(blockRunId)) told.set(blockRunId, n);
      else events.push({ run: runId, n, ...entry });
    }
    for (const { block, to, reason, pendingUpstream, bumpFence, error } of plan.blocks) {
      const id = block.id.toString();
      blocks.run.push(runId);
      blocks.id.push(id);
      blocks.from.push(block.status);
      blocks.to.push(to);
      blocks.reason.push(reasons.place(reason));
      blocks.pending.push(pendingUpstream ?? null);
      blocks.bump.push(bumpFence ?? false);
      blocks.seq.push(told.get(id) ?? null);
      if (error) errors.push({ id, error });
    }
    for (const block of plan.stop) stop.push(block.id);
  }
  await client.query({
    name: 'apply-run-plans',
    text: 'select apply_run_plans($1::jsonb, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15::jsonb, $16)',
    values: [
      JSON.stringify(changes),
      ...[blocks.run, blocks.id, blocks.from, blocks.to, blocks.reason, blocks.pending, blocks.bump, blocks.seq].map(
        arrayLiteral,
      ),
      reasons.codes,
      reasons.messages,
      reasons.actors,
      JSON.stringify(errors),
      stop,
      JSON.stringify(events),
      now,
    ],
  });
}

/** Makes ready rows for block runs whose status says already that they wait; those that have one keep it. */
async function putIntoQueue(client: pg.ClientBase, blocks: readonly BlockRunSnapshot[], now: Date): Promise<void> {
  await client.query({
    name: 'put-into-queue',
    text: `insert into ready (block_run_id, run_id, label, prio, run_at)
           select b.id, b.pipeline_run_id, b.label, 0, $2 from block_run b
            where b.id = any($1) and not exists (select 1 from ready q where q.block_run_id = b.id)`,
    values: [blocks.map((block) => block.id), now],
  });
}

type BlockColumns = {
  readonly run: string[];
  readonly id: string[];
  readonly from: BlockRunSnapshot['status'][];
  readonly to: BlockRunSnapshot['status'][];
  readonly reason: (number | null)[];
  readonly pending: (number | null)[];
  readonly bump: boolean[];
  readonly seq: (number | null)[];
};

/** An array of numbers or status names, as Postgres reads it. For a thousand of them the driver takes longer than Postgres. */
function arrayLiteral(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join()}}`;
}

/** Most changes have one reason: it is sent once, and named by its place, counted from 1. */
function reasonTable() {
  const places = new Map<string, number>();
  const codes: string[] = [];
  const messages: string[] = [];
  const actors: (string | null)[] = [];
  let last: { readonly reason: StatusReason; readonly place: number } | null = null;
  return {
    codes,
    messages,
    actors,
    place(reason: StatusReason | null): number | null {
      if (reason === null) return null;
      if (last?.reason === reason) return last.place;
      const key = JSON.stringify([reason.code, reason.message, reason.actor]);
      let place = places.get(key);
      if (place === undefined) {
        place = codes.push(reason.code);
        messages.push(reason.message);
        actors.push(reason.actor);
        places.set(key, place);
      }
      last = { reason, place };
      return place;
    },
  };
}

/** What a plan changes on the run itself. */
function changeOf(plan: RunPlan, options: PlanOptions): Record<string, unknown> {
  const change: Record<string, unknown> = {
    actor: plan.stopReason?.actor ?? options.retry?.actor ?? null,
    stopCode: plan.stopReason?.code ?? null,
    stopMessage: plan.stopReason?.message ?? null,
  };
  if (plan.to !== null) change.status = plan.to;
  if (plan.ending !== null && plan.to === null) change.endingStatus = plan.ending;
  if (plan.to !== null) change.endingStatus = null;
  if (plan.to !== null && plan.to !== 'initial') change.clearDeadline = true;
  if (plan.reason !== null || plan.to === 'initial') {
    change.reasonCode = plan.reason?.code ?? null;
    change.reasonMessage = plan.reason?.message ?? null;
    change.reasonActor = plan.reason?.actor ?? null;
  }
  if (plan.error !== null) change.error = plan.error;
  if (options.settleAfter) change.settleAfter = true;
  if (options.cancelRequested !== undefined) change.cancelRequested = options.cancelRequested;
  if (options.retry) {
    Object.assign(change, options.retry, { error: null, cancelRequested: false, timedOut: false });
  }
  if (plan.announcements.some((entry) => entry.kind === 'timed_out')) change.timedOut = true;
  return change;
}
