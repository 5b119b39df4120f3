import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockRunStatus, blockRunStatuses, isTerminalBlock } from '../../src/domain/lifecycle.ts';
import { chooseBlocksToRetry, planRetry } from '../../src/domain/retry.ts';
import type { RunSnapshot } from '../../src/domain/run.ts';
import { arbitraryDag, runOf } from './arbitrary-run.ts';

const because = { code: 'OTHER', message: 'again', actor: 'ada' } as const;

function ended(dag: readonly (readonly number[])[], ...statuses: BlockRunStatus[]): RunSnapshot {
  const run = runOf(dag);
  return {
    ...run,
    status: 'failed',
    blocks: run.blocks.map((block, place) => ({ ...block, status: statuses[place] ?? 'completed' })),
  };
}

function chosen(run: RunSnapshot, mode: 'incomplete' | 'from_block', from: string | null = null) {
  const answer = chooseBlocksToRetry(run, mode, from);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return Object.fromEntries([...answer.value].map(([id, reason]) => [`b${id}`, reason]));
}

const diamond = [[], [0], [0], [1, 2]] as const;

describe('which blocks a retry runs again', () => {
  test('INCOMPLETE: every one that is not completed', () => {
    expect(chosen(ended(diamond, 'completed', 'failed', 'cancelled', 'upstream_failed'), 'incomplete')).toEqual({
      b2: 'NOT_COMPLETED',
      b3: 'NOT_COMPLETED',
      b4: 'NOT_COMPLETED',
    });
  });

  test('FROM_BLOCK: the block and everything downstream, completed or not', () => {
    expect(chosen(ended(diamond), 'from_block', 'b2')).toEqual({ b2: 'SELECTED', b4: 'DOWNSTREAM' });
  });

  test('FROM_BLOCK below an upstream that never completed runs that upstream too', () => {
    expect(chosen(ended(diamond, 'completed', 'failed', 'cancelled', 'upstream_failed'), 'from_block', 'b4')).toEqual({
      b4: 'SELECTED',
      b2: 'UPSTREAM_INCOMPLETE',
      b3: 'UPSTREAM_INCOMPLETE',
    });
  });

  test('an upstream that its condition skipped stays skipped', () => {
    expect(
      chosen(ended(diamond, 'completed', 'condition_failed', 'failed', 'upstream_failed'), 'from_block', 'b4'),
    ).toEqual({
      b4: 'SELECTED',
      b3: 'UPSTREAM_INCOMPLETE',
    });
  });

  test('FROM_BLOCK runs what failed above a block that went on all the same, and leaves that block as it is', () => {
    expect(
      chosen(ended([[], [], [0, 1], [2]], 'failed', 'completed', 'completed', 'failed'), 'from_block', 'b4'),
    ).toEqual({
      b4: 'SELECTED',
      b1: 'UPSTREAM_INCOMPLETE',
    });
  });

  test.each([
    ['a run that is not over', { ...ended(diamond), status: 'running' as const }, 'incomplete', null, 'INVALID_STATE'],
    [
      'INCOMPLETE of a run that completed',
      { ...ended(diamond), status: 'completed' as const },
      'incomplete',
      null,
      'INVALID_STATE',
    ],
    [
      'INCOMPLETE of a run that completed although a condition skipped one of its blocks',
      {
        ...ended(diamond, 'completed', 'completed', 'condition_failed', 'condition_failed'),
        status: 'completed' as const,
      },
      'incomplete',
      null,
      'INVALID_STATE',
    ],
    ['FROM_BLOCK without a block', ended(diamond), 'from_block', null, 'INVALID_INPUT'],
    ['FROM_BLOCK with a block that is not there', ended(diamond), 'from_block', 'nobody', 'INVALID_INPUT'],
  ] as const)('%s is refused', (_, run, mode, from, code) => {
    const answer = chooseBlocksToRetry(run, mode, from);
    expect(answer).toMatchObject({ ok: false, refusal: { code } });
  });

  test('a reset block waits for exactly the upstreams that are not completed then', () => {
    const terminal = blockRunStatuses.filter(isTerminalBlock);
    fc.assert(
      fc.property(arbitraryDag(), fc.infiniteStream(fc.constantFrom(...terminal)), fc.nat(), (dag, statuses, pick) => {
        const run = ended(dag, ...dag.map(() => statuses.next().value));
        const from = run.blocks[pick % run.blocks.length]!.uuid;
        const answer = chooseBlocksToRetry(run, 'from_block', from);
        if (!answer.ok) throw new Error(answer.refusal.message);
        const plan = planRetry(run, answer.value, because);
        const reset = new Map(plan.blocks.map((change) => [change.block.id, change]));
        for (const { block, pendingUpstream } of plan.blocks) {
          const waits = block.upstream.filter((id) => {
            const above = run.blocks.find((b) => b.id === id)!;
            return reset.has(id) || above.status !== 'completed';
          });
          expect(pendingUpstream).toBe(waits.length);
          for (const id of waits) {
            const above = run.blocks.find((b) => b.id === id)!;
            expect(reset.has(id) || above.status === 'condition_failed', `${block.uuid} waits for ${above.uuid}`).toBe(
              true,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
