import { expect } from 'vitest';
import { planAdmission } from '../../src/domain/admission.ts';
import { blockersOfBlockRun, blockersOfRun, type RunFacts, type WorldFacts } from '../../src/domain/blockers.ts';
import { admissionSnapshot } from '../../src/store/admission.ts';
import { readBlockerFacts, readOpenBlockRuns } from '../../src/store/blocker-facts.ts';
import type { Database } from '../../src/store/database.ts';

/**
 * Holds runs against the promise that nothing waits in silence: each run and block run that has not ended names a blocker, or
 * is at work, or waits for somebody who is there and has been asked (a scheduler that admits or settles it, a worker with a free slot).
 */
export async function expectNothingSilent(database: Database, runs: readonly bigint[], now: Date): Promise<void> {
  const facts = await readBlockerFacts(database.pool, runs, now);
  // As if everybody were there and had room: then only what a run itself waits for is left to say.
  const labels = new Map(['default'].map((label) => [label, { workers: 1, slots: 1, inUse: 0, holders: [] }]));
  const world: WorldFacts = { now, isSchedulerAlive: true, labels };
  // Where a run is about to be admitted, those behind it see how much room is left a moment later.
  const snapshot = await admissionSnapshot(database.pool, null);
  const starting = new Set(planAdmission(snapshot).start);
  const admitting = new Set(snapshot.candidates.filter((run) => starting.has(run.id)).map((run) => run.pipelineUuid));

  const { rows } = await database.pool.query<{ id: bigint }>(
    `select id from block_run where pipeline_run_id = any($1) and status in ('initial', 'queued', 'running')`,
    [runs],
  );
  const blocks = await readOpenBlockRuns(
    database.pool,
    rows.map((row) => row.id),
  );
  for (const run of facts.runs.values()) {
    if (run.status === 'initial' && admitting.has(run.pipelineUuid)) continue;
    if (!isAskedFor(run, now)) {
      expect(blockersOfRun(run, world), `run ${run.id} is ${run.status} and silent`).not.toEqual([]);
    }
    for (const { facts: block, pending } of blocks.filter((each) => each.pipelineRunId === run.id)) {
      const moves =
        block.status === 'running'
          ? block.isHeld
          : block.status === 'queued'
            ? block.nextAttemptAt === null || block.nextAttemptAt <= now
            : run.needsSettling;
      if (moves) continue;
      const what = `block run ${block.id} is ${block.status} and silent`;
      expect(blockersOfBlockRun(block, pending, run, world), what).not.toEqual([]);
    }
  }
}

/** Whether something of a running run is at work, or in a queue that somebody empties. */
function isAskedFor(run: RunFacts, now: Date): boolean {
  if (run.status !== 'running') return false;
  if (run.needsSettling || run.callbacks.length > 0) return true;
  return run.blocks.some((block) =>
    block.status === 'running' ? block.isHeld : block.nextAttemptAt === null || block.nextAttemptAt <= now,
  );
}
