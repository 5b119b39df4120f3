import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTerminalBlock, type StatusReason } from '../../src/domain/lifecycle.ts';
import { chooseBlocksToRetry, planRetry } from '../../src/domain/retry.ts';
import { planCancel, type RunSnapshot } from '../../src/domain/run.ts';
import { isCancelledAsWhole, isRetriedAsWhole, type RunOutline } from '../../src/domain/whole-run.ts';
import { arbitraryDag, runOf } from './arbitrary-run.ts';

/** A run is decided about as a whole where looking at each of its block runs would come to the same. */

const reason: StatusReason = { code: 'CANCELLED_BY_USER', message: 'Cancelled by ada.', actor: 'ada' };

const blockStatus = fc.constantFrom(
  'initial',
  'queued',
  'running',
  'completed',
  'failed',
  'cancelled',
  'upstream_failed',
  'condition_failed',
);

/** Any run, whether it can come about or not. */
const anyRun = fc
  .record({
    dag: arbitraryDag(),
    statuses: fc.array(blockStatus, { minLength: 9, maxLength: 9 }),
    status: fc.constantFrom('initial', 'running', 'completed', 'failed', 'cancelled'),
    endingStatus: fc.constantFrom(null, null, 'failed', 'cancelled'),
    openCallbacks: fc.constantFrom(0, 0, 1),
    hasCallbacks: fc.boolean(),
  })
  .map(({ dag, statuses, hasCallbacks, openCallbacks, ...own }): { run: RunSnapshot; outline: RunOutline } => {
    const plain = runOf(dag);
    const blocks = plain.blocks.map((block, place) => ({
      ...block,
      status: statuses[place]!,
      isBetweenCalls: statuses[place] === 'running' && place % 3 === 0,
      owesCallbacks: hasCallbacks && place % 2 === 0,
    }));
    const run = { ...plain, ...own, openCallbacks: hasCallbacks ? openCallbacks : 0, blocks };
    return { run, outline: outlineOf(run, hasCallbacks) };
  });

function outlineOf(run: RunSnapshot, hasCallbacks: boolean): RunOutline {
  const count = (status: string) => run.blocks.filter((block) => block.status === status).length;
  return {
    id: run.id,
    status: run.status,
    endingStatus: run.endingStatus,
    attempt: run.attempt,
    pipelineUuid: 'sales',
    version: 'v1',
    hasCallbacks,
    blocksTotal: run.blocks.length,
    blocksRunning: count('running'),
    blocksCompleted: count('completed'),
  };
}

describe('a run that is cancelled as a whole', () => {
  test('ends at once with everything that has not ended, and nothing has to be stopped', () => {
    fc.assert(
      fc.property(anyRun, ({ run, outline }) => {
        fc.pre(isCancelledAsWhole(outline));
        expect(planCancel(run, reason)).toEqual({
          announcements: [{ kind: 'cancel_requested', reason }],
          blocks: run.blocks
            .filter((block) => !isTerminalBlock(block.status))
            .map((block) => ({ block, to: 'cancelled', reason })),
          stop: [],
          comeBack: [],
          stopReason: reason,
          to: 'cancelled',
          reason,
          ending: 'cancelled',
          error: null,
        });
      }),
    );
  });

  test('waits, or has nothing at work', () => {
    const waiting = outlineOf(runOf([[], [0]]), false);
    expect(isCancelledAsWhole({ ...waiting, status: 'initial' })).toBe(true);
    expect(isCancelledAsWhole(waiting)).toBe(true);
    expect(isCancelledAsWhole({ ...waiting, blocksRunning: 1 })).toBe(false);
    expect(isCancelledAsWhole({ ...waiting, endingStatus: 'failed' })).toBe(false);
    expect(isCancelledAsWhole({ ...waiting, hasCallbacks: true })).toBe(false);
    expect(isCancelledAsWhole({ ...waiting, status: 'cancelled' })).toBe(false);
  });
});

describe('a run that is retried as a whole', () => {
  test('begins anew with everything that has not completed', () => {
    fc.assert(
      fc.property(anyRun, ({ run, outline }) => {
        fc.pre(isRetriedAsWhole(outline));
        const chosen = chooseBlocksToRetry(run, 'incomplete', null);
        expect(chosen).toMatchObject({ ok: true });
        if (!chosen.ok) return;
        const isIncomplete = (id: bigint) => run.blocks.find((block) => block.id === id)?.status !== 'completed';
        expect(planRetry(run, chosen.value, reason)).toMatchObject({
          announcements: [{ kind: 'run_retried', reason }],
          blocks: run.blocks
            .filter((block) => block.status !== 'completed')
            .map((block) => ({
              block,
              to: 'initial',
              reason: null,
              pendingUpstream: block.upstream.filter(isIncomplete).length,
            })),
          stop: [],
          comeBack: [],
          to: 'initial',
          reason: null,
        });
      }),
    );
  });

  test('has ended, and not as it should', () => {
    const failed: RunOutline = { ...outlineOf(runOf([[], [0]]), false), status: 'failed' };
    expect(isRetriedAsWhole(failed)).toBe(true);
    expect(isRetriedAsWhole({ ...failed, status: 'cancelled' })).toBe(true);
    expect(isRetriedAsWhole({ ...failed, status: 'completed' })).toBe(false);
    expect(isRetriedAsWhole({ ...failed, status: 'running' })).toBe(false);
    expect(isRetriedAsWhole({ ...failed, blocksCompleted: 2 })).toBe(false);
    expect(isRetriedAsWhole({ ...failed, hasCallbacks: true })).toBe(false);
  });
});
