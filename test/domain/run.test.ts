import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockRunStatus, isLegalBlockMove, isTerminalBlock, isTerminalRun } from '../../src/domain/lifecycle.ts';
import type { TriggerRule } from '../../src/domain/pipeline.ts';
import { judgeTriggerRule, planCancel, planSettlement, type RunPlan, type RunSnapshot } from '../../src/domain/run.ts';
import { arbitraryDag, carriedOut, runOf, withBlock } from './arbitrary-run.ts';

const rules: readonly TriggerRule[] = ['all_success', 'none_failed', 'all_done', 'one_success'];
const user = { code: 'CANCELLED_BY_USER', message: 'Cancelled by ada.', actor: 'ada' } as const;

const now = new Date('2026-03-01T12:00:00Z');

function settle(run: RunSnapshot): RunSnapshot {
  const plan = planSettlement(run, now);
  expectLegal(plan);
  return carriedOut(run, plan);
}

function expectLegal(plan: RunPlan): void {
  for (const { block, to } of plan.blocks) {
    expect(isLegalBlockMove(block.status, to), `${block.uuid}: ${block.status} → ${to}`).toBe(true);
  }
}

/** What can happen next to a running run: a queued block is claimed, a running one ends, somebody cancels. */
type Happening = { readonly pick: number; readonly end: BlockRunStatus; readonly cancels: boolean };

const happenings = fc.infiniteStream(
  fc.record({
    pick: fc.nat(),
    end: fc.constantFrom<BlockRunStatus>('completed', 'completed', 'completed', 'failed'),
    cancels: fc.integer({ min: 0, max: 30 }).map((n) => n === 0),
  }),
);

function live(run: RunSnapshot, next: () => Happening): RunSnapshot {
  let now = settle(run);
  for (let steps = 0; !isTerminalRun(now.status); steps++) {
    if (steps > 1000)
      throw new Error(`the run stands still: ${now.blocks.map((b) => `${b.uuid} ${b.status}`).join(', ')}`);
    const movable = now.blocks.filter((block) => block.status === 'queued' || block.status === 'running');
    expect(movable.length).toBeLessThanOrEqual(run.blockRunLimit ?? run.blocks.length);
    const { pick, end, cancels } = next();
    if (cancels && now.endingStatus === null) {
      const plan = planCancel(now, user);
      expectLegal(plan);
      now = carriedOut(now, plan);
      continue;
    }
    const block = movable[pick % Math.max(1, movable.length)];
    if (!block) throw new Error(`nothing can move: ${now.blocks.map((b) => `${b.uuid} ${b.status}`).join(', ')}`);
    if (block.status === 'queued') now = withBlock(now, block.id, 'running');
    else now = settle(withBlock(now, block.id, block.stopRequested ? 'cancelled' : end));
  }
  return now;
}

describe('any order of finishing blocks of any graph', () => {
  test('reaches an end at which every block has ended', () => {
    const arbitrary = fc.tuple(
      arbitraryDag(),
      fc.boolean(),
      fc.infiniteStream(fc.constantFrom(...rules)),
      fc.boolean(),
      fc.option(fc.integer({ min: 1, max: 3 })),
      happenings,
    );
    fc.assert(
      fc.property(arbitrary, ([dag, allowBlocksToFail, ruleStream, plainRules, blockRunLimit, stream]) => {
        const chosen = plainRules ? [] : dag.map(() => ruleStream.next().value);
        const end = live(runOf(dag, { allowBlocksToFail, rules: chosen, blockRunLimit }), () => stream.next().value);
        expect(end.blocks.every((block) => isTerminalBlock(block.status))).toBe(true);
        expect(end.reason).not.toBeNull();
        if (end.status === 'completed') {
          expect(end.blocks.every((b) => b.status === 'completed' || b.status === 'condition_failed')).toBe(true);
        }
        if (end.status === 'failed') expect(end.blocks.some((b) => b.status === 'failed')).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });

  test('never runs a block of rule all_success before all its upstreams completed', () => {
    fc.assert(
      fc.property(arbitraryDag(), fc.boolean(), happenings, (dag, allowBlocksToFail, stream) => {
        const run = runOf(dag, { allowBlocksToFail });
        let now = settle(run);
        for (let step = 0; step < 100 && !isTerminalRun(now.status); step++) {
          const statusOf = new Map(now.blocks.map((b) => [b.id, b.status]));
          for (const block of now.blocks) {
            if (block.status !== 'queued' && block.status !== 'running') continue;
            expect(block.upstream.map((id) => statusOf.get(id))).toEqual(block.upstream.map(() => 'completed'));
          }
          const { pick, end } = stream.next().value;
          const movable = now.blocks.filter((b) => b.status === 'queued' || b.status === 'running');
          const block = movable[pick % movable.length]!;
          now =
            block.status === 'queued'
              ? withBlock(now, block.id, 'running')
              : settle(withBlock(now, block.id, block.stopRequested ? 'cancelled' : end));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('block1 → {block2, block3} → block4', () => {
  const diamond = runOf([[], [0], [0], [1, 2]]);
  const at = (...statuses: BlockRunStatus[]): RunSnapshot =>
    statuses.reduce((run, status, place) => withBlock(run, BigInt(place + 1), status), diamond);
  const statusesOf = (run: RunSnapshot) => run.blocks.map((block) => block.status);

  test('the start queues only block1', () => {
    expect(statusesOf(settle(diamond))).toEqual(['queued', 'initial', 'initial', 'initial']);
  });

  test('block4 waits for both', () => {
    expect(statusesOf(settle(at('completed', 'completed', 'running', 'initial')))).toEqual([
      'completed',
      'completed',
      'running',
      'initial',
    ]);
  });

  test('all completed: the run completed', () => {
    const end = settle(at('completed', 'completed', 'completed', 'completed'));
    expect(end.status).toBe('completed');
    expect(end.reason?.code).toBe('SUCCEEDED');
  });

  test('one fails: what waits for it becomes upstream_failed, its sibling is stopped, then the run fails', () => {
    const failing = settle(at('completed', 'failed', 'running', 'initial'));
    expect(failing.status).toBe('running');
    expect(failing.endingStatus).toBe('failed');
    expect(statusesOf(failing)).toEqual(['completed', 'failed', 'running', 'upstream_failed']);
    expect(failing.blocks[2]?.stopRequested).toBe(true);
    const end = settle(withBlock(failing, 3n, 'cancelled'));
    expect(end.status).toBe('failed');
    expect(end.reason?.message).toContain('block2'.replace('block', 'b'));
  });

  test('with allow_blocks_to_fail the other branch goes on, and the run is failed at its end', () => {
    const lenient = { ...at('completed', 'failed', 'running', 'initial'), allowBlocksToFail: true };
    const going = settle(lenient);
    expect(going.endingStatus).toBeNull();
    expect(statusesOf(going)).toEqual(['completed', 'failed', 'running', 'upstream_failed']);
    expect(settle(withBlock(going, 3n, 'completed')).status).toBe('failed');
  });

  test('a teardown block runs after a failure, and then the run fails', () => {
    const run = runOf([[], [0], [1]], { rules: ['all_success', 'all_success', 'all_done'] });
    const failing = settle(withBlock(withBlock(run, 1n, 'completed'), 2n, 'failed'));
    expect(statusesOf(failing)).toEqual(['completed', 'failed', 'queued']);
    expect(settle(withBlock(failing, 3n, 'completed')).status).toBe('failed');
  });

  test('what waits for a teardown block after a failure runs behind it, unless it needs what failed', () => {
    const run = runOf([[], [0], [1], [2, 0], [1, 2]], {
      rules: ['all_success', 'all_success', 'all_done', 'all_success', 'none_failed'],
    });
    const failing = settle(withBlock(withBlock(run, 1n, 'completed'), 2n, 'failed'));
    expect(statusesOf(failing)).toEqual(['completed', 'failed', 'queued', 'initial', 'upstream_failed']);
    const tornDown = settle(withBlock(failing, 3n, 'completed'));
    expect(statusesOf(tornDown)).toEqual(['completed', 'failed', 'completed', 'queued', 'upstream_failed']);
    expect(settle(withBlock(tornDown, 4n, 'completed'))).toMatchObject({
      status: 'failed',
      reason: { code: 'BLOCK_FAILED' },
    });
  });

  test('a join block whose rule was met goes on when the other branch fails, and so does what waits for it', () => {
    const run = runOf([[], [], [0, 1], [2]], { rules: ['all_success', 'all_success', 'one_success'] });
    const joined = withBlock(withBlock(withBlock(run, 1n, 'completed'), 3n, 'running'), 2n, 'failed');
    const failing = settle(joined);
    expect(failing.endingStatus).toBe('failed');
    expect(failing.blocks[2]?.stopRequested).toBe(false);
    expect(statusesOf(failing)).toEqual(['completed', 'failed', 'running', 'initial']);
  });

  test('a run whose blocks all ended well but one that could not run says which, also when nothing failed any more', () => {
    const run = runOf([[], [0], [0]], { rules: ['all_success', 'all_done', 'all_success'] });
    const end = settle(withBlock(withBlock(withBlock(run, 1n, 'completed'), 2n, 'completed'), 3n, 'upstream_failed'));
    expect(end.status).toBe('failed');
    expect(end.reason?.message).toBe('Block b3 could not run: what it waits for had failed. Retry what is incomplete.');
  });

  test('a cancel cancels what has not begun at once and stops what runs', () => {
    const run = at('completed', 'running', 'queued', 'initial');
    const cancelled = carriedOut(run, planCancel(run, user));
    expect(statusesOf(cancelled)).toEqual(['completed', 'running', 'cancelled', 'cancelled']);
    expect(cancelled.status).toBe('running');
    expect(settle(withBlock(cancelled, 2n, 'cancelled'))).toMatchObject({ status: 'cancelled', reason: user });
  });

  test('a cancel with nothing running ends the run at once', () => {
    const run = at('completed', 'completed', 'completed', 'queued');
    expect(carriedOut(run, planCancel(run, user))).toMatchObject({ status: 'cancelled', reason: user });
  });

  test('a cancel stops nothing a second time, and waits for what stops already', () => {
    const failing = settle(at('completed', 'failed', 'running', 'initial'));
    expect(failing.blocks[2]?.stopRequested).toBe(true);
    expect(planCancel(failing, user)).toMatchObject({ stop: [], to: null });
  });

  test('a run that fails already goes on to fail when it is cancelled: the first cause wins', () => {
    const failing = settle(at('completed', 'failed', 'running', 'initial'));
    const cancelled = carriedOut(failing, planCancel(failing, user));
    expect(cancelled.endingStatus).toBe('failed');
    expect(settle(withBlock(cancelled, 3n, 'cancelled'))).toMatchObject({
      status: 'failed',
      reason: { code: 'BLOCK_FAILED' },
    });
  });
});

describe('trigger rules', () => {
  test.each<[TriggerRule, BlockRunStatus[], string]>([
    ['all_success', ['completed', 'completed'], 'run'],
    ['all_success', ['completed', 'running'], 'wait'],
    ['all_success', ['completed', 'failed'], 'upstream_failed'],
    ['all_success', ['running', 'failed'], 'upstream_failed'],
    ['all_success', ['completed', 'condition_failed'], 'condition_failed'],
    ['all_success', ['condition_failed', 'cancelled'], 'upstream_failed'],
    ['none_failed', ['completed', 'condition_failed'], 'run'],
    ['none_failed', ['completed', 'upstream_failed'], 'upstream_failed'],
    ['none_failed', ['completed', 'queued'], 'wait'],
    ['all_done', ['failed', 'condition_failed'], 'run'],
    ['all_done', ['failed', 'running'], 'wait'],
    ['one_success', ['completed', 'running'], 'run'],
    ['one_success', ['failed', 'running'], 'wait'],
    ['one_success', ['failed', 'condition_failed'], 'upstream_failed'],
    ['one_success', ['condition_failed', 'condition_failed'], 'condition_failed'],
    ['all_success', [], 'run'],
  ])('%s with %j: %s', (rule, upstream, verdict) => {
    expect(judgeTriggerRule(rule, upstream)).toBe(verdict);
  });
});

describe('a limit on the block runs of a run', () => {
  const fan = (blockRunLimit: number) => runOf([[], [], [], [0]], { blockRunLimit });
  const statusesOf = (run: RunSnapshot) => run.blocks.map((block) => block.status);

  test('queues as many as have room, in definition order', () => {
    expect(statusesOf(settle(fan(2)))).toEqual(['queued', 'queued', 'initial', 'initial']);
    const next = settle(withBlock(settle(fan(2)), 2n, 'completed'));
    expect(statusesOf(next)).toEqual(['queued', 'completed', 'queued', 'initial']);
  });

  test('of 0 lets nothing start', () => {
    expect(statusesOf(settle(fan(0)))).toEqual(['initial', 'initial', 'initial', 'initial']);
  });

  test('does not count a waiting retry or a sensor between two calls', () => {
    const full = settle(fan(1));
    const waiting = { ...full, blocks: full.blocks.map((block) => ({ ...block, takesPlace: false })) };
    expect(statusesOf(settle(waiting))).toEqual(['queued', 'queued', 'initial', 'initial']);
  });

  test('lets what comes back go before what has not begun, the longest due first, and no more than have room', () => {
    const at = (minutes: number) => new Date(now.getTime() + minutes * 60_000);
    const run = settle(fan(3));
    const waiting = {
      ...run,
      blocks: run.blocks.map((block, place) =>
        place < 3 ? { ...block, takesPlace: false, comesBackAt: at([-1, -2, 1][place]!) } : block,
      ),
    };
    const uuids = (limit: number) => {
      const plan = planSettlement({ ...waiting, blockRunLimit: limit }, now);
      return [plan.comeBack.map((block) => block.uuid), plan.blocks.map(({ block }) => block.uuid)];
    };
    const free = { ...waiting.blocks[3]!, upstream: [] };
    waiting.blocks[3] = free;
    expect(uuids(0)).toEqual([[], []]);
    expect(uuids(1)).toEqual([['b2'], []]);
    expect(uuids(2)).toEqual([['b2', 'b1'], []]);
    expect(uuids(3)).toEqual([['b2', 'b1'], ['b4']]);
  });

  test('that is lowered below what runs breaks nothing', () => {
    expect(statusesOf(settle({ ...settle(fan(3)), blockRunLimit: 1 }))).toEqual([
      'queued',
      'queued',
      'queued',
      'initial',
    ]);
  });
});
