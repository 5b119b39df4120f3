import { expect } from 'vitest';
import {
  type BlockRunStatus,
  isLegalBlockMove,
  isLegalRunMove,
  isTerminalRun,
  type PipelineRunStatus,
} from '../../src/domain/lifecycle.ts';
import type { Database } from '../../src/store/database.ts';

/**
 * Holds one run, or all, against the promises of ARCHITECTURE.md: seq is 1, 2, 3 … in id order; replaying the events yields the
 * stored statuses by legal moves only; the counts are the block runs'; a run that has ended says when and why, and nothing
 * of it goes on.
 */
export async function expectInvariants(database: Database, runId: bigint | null = null): Promise<void> {
  const where = runId === null ? '' : `where pipeline_run_id = ${runId}`;
  const runs = (await database.pool.query(`select * from pipeline_run ${runId === null ? '' : `where id = ${runId}`}`))
    .rows;
  const blocks = (await database.pool.query(`select * from block_run ${where}`)).rows;
  const events = (await database.pool.query(`select * from run_event ${where} order by id`)).rows;

  for (const run of runs) {
    const history = events.filter((event) => event.pipeline_run_id === run.id);
    expect(
      history.map((event) => event.seq),
      `seq of run ${run.id}`,
    ).toEqual(history.map((_, index) => index + 1));
    expect(run.event_seq).toBe(history.length);

    const own = blocks.filter((block) => block.pipeline_run_id === run.id);
    const replayedBlocks = new Map<bigint, BlockRunStatus>(own.map((block) => [block.id, 'initial']));
    let replayedRun: PipelineRunStatus = 'initial';
    for (const event of history) {
      if (event.kind === 'run_status_changed') {
        expect(event.from_status, `run ${run.id} seq ${event.seq}`).toBe(replayedRun);
        expect(isLegalRunMove(replayedRun, event.to_status), `${replayedRun} → ${event.to_status}`).toBe(true);
        replayedRun = event.to_status;
      } else if (event.kind === 'block_status_changed') {
        const before = replayedBlocks.get(event.block_run_id);
        expect(event.from_status, `run ${run.id} seq ${event.seq} ${event.block_uuid}`).toBe(before);
        expect(
          isLegalBlockMove(before ?? null, event.to_status),
          `${event.block_uuid}: ${before} → ${event.to_status}`,
        ).toBe(true);
        replayedBlocks.set(event.block_run_id, event.to_status);
      }
    }
    expect(replayedRun).toBe(run.status);
    for (const block of own) expect(replayedBlocks.get(block.id), block.block_uuid).toBe(block.status);

    const count = (status: string) => own.filter((block) => block.status === status).length;
    expect({
      total: run.blocks_total,
      initial: run.blocks_initial,
      queued: run.blocks_queued,
      running: run.blocks_running,
      completed: run.blocks_completed,
      failed: run.blocks_failed,
      cancelled: run.blocks_cancelled,
      upstream_failed: run.blocks_upstream_failed,
      condition_failed: run.blocks_condition_failed,
    }).toEqual({
      total: own.length,
      initial: count('initial'),
      queued: count('queued'),
      running: count('running'),
      completed: count('completed'),
      failed: count('failed'),
      cancelled: count('cancelled'),
      upstream_failed: count('upstream_failed'),
      condition_failed: count('condition_failed'),
    });

    if (isTerminalRun(run.status)) {
      expect(run.completed_at).not.toBeNull();
      expect(run.reason_code).not.toBeNull();
      expect(count('initial') + count('queued') + count('running'), `run ${run.id} is ${run.status}`).toBe(0);
    }
  }
}
