import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTerminalRun } from '../../src/domain/lifecycle.ts';
import type { TriggerRule } from '../../src/domain/pipeline.ts';
import { admitRuns } from '../../src/engine/admit-runs.ts';
import { cancelPipelineRun } from '../../src/engine/cancel-pipeline-run.ts';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { retryPipelineRun } from '../../src/engine/retry-pipeline-run.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim, Finish } from '../../src/store/step.ts';
import { claimsToStop, restoreReadyRows } from '../../src/store/workers.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';
import { expectNothingSilent } from '../support/never-silent.ts';

/**
 * Random histories against the real store. What a worker does is played by the test; the rest are the engine's own verbs. After
 * every action the promises of ARCHITECTURE.md hold, and at the end, when all have done their duty, every run has ended.
 */

let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
});
afterAll(() => engine.close());

const number = fc.nat({ max: 1000 });
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('trigger' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), worker: number, want: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      worker: number,
      claim: number,
      outcome: fc.constantFrom('completed', 'completed', 'completed', 'failed', 'retry', 'requeue', 'condition_failed'),
      want: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat' as const), finish: number }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), run: number }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('retry' as const),
      run: number,
      mode: fc.constantFrom('incomplete', 'from_block', 'all'),
      block: number,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), worker: number }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wakeZombie' as const), claim: number }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('limit' as const), runs: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('loseQueue' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

const rules = fc.array(
  fc.constantFrom<TriggerRule>('all_success', 'all_success', 'none_failed', 'all_done', 'one_success'),
  {
    minLength: 6,
    maxLength: 6,
  },
);

/** A worker in the test's hand, and what it believes it holds. */
type Hand = { readonly worker: TestWorker; readonly held: Map<number, Claim> };

class World {
  readonly runs: bigint[] = [];
  readonly hands: Hand[] = [];
  /** Claims of workers that were judged lost, which do not know it. */
  readonly zombies: { readonly worker: TestWorker; readonly claim: Claim }[] = [];
  readonly reported: { readonly worker: TestWorker; readonly finish: Finish }[] = [];
  readonly pipeline: string;
  readonly dag: readonly (readonly number[])[];
  readonly rules: readonly TriggerRule[];
  version = 0;

  constructor(pipeline: string, dag: readonly (readonly number[])[], triggerRules: readonly TriggerRule[]) {
    this.pipeline = pipeline;
    this.dag = dag;
    this.rules = triggerRules;
  }

  async define(pipelineRunLimit: number | null): Promise<void> {
    this.version++;
    const { rules: triggerRules } = this;
    const options = {
      rules: triggerRules,
      version: `v${this.version}`,
      crashRetries: 1,
      concurrency: { pipelineRunLimit },
    };
    await engine.pipeline(this.pipeline, this.dag, options);
  }

  async act(action: Action): Promise<void> {
    switch (action.kind) {
      case 'trigger':
        this.runs.push(await engine.start(this.pipeline));
        return;
      case 'claim':
        return this.step(pick(this.hands, action.worker)!, action.want, []);
      case 'finish': {
        const hand = pick(this.hands, action.worker)!;
        const claim = pick([...hand.held.values()], action.claim);
        if (claim) await this.report(hand, claim, action.outcome as Finish['outcome'], action.want);
        return;
      }
      case 'repeat': {
        // Its answer was lost: it says the same once more.
        const said = pick(this.reported, action.finish);
        if (said) await this.expectNoChange(() => said.worker.step(0, [said.finish]));
        return;
      }
      case 'settle':
        await settleRuns(engine.context);
        return;
      case 'cancel': {
        const runId = pick(this.runs, action.run);
        if (runId !== undefined) await cancelPipelineRun(engine.context, { runId, reason: null, actor: 'ada' });
        return;
      }
      case 'retry': {
        const runId = pick(this.runs, action.run);
        if (runId === undefined) return;
        const answer = await retryPipelineRun(engine.context, {
          runId,
          mode: action.mode as 'incomplete' | 'from_block' | 'all',
          fromBlock: action.mode === 'from_block' ? `b${1 + (action.block % this.dag.length)}` : null,
          variables: {},
          reason: null,
          expectedAttempt: null,
          actor: 'ada',
        });
        if (answer.ok && answer.value.runId !== runId) this.runs.push(answer.value.runId);
        return;
      }
      case 'lose': {
        const place = action.worker % this.hands.length;
        const hand = this.hands[place]!;
        await releaseLostClaims(engine.context, hand.worker.id);
        for (const claim of hand.held.values()) this.zombies.push({ worker: hand.worker, claim });
        this.hands[place] = { worker: await engine.worker(), held: new Map() };
        return;
      }
      case 'wakeZombie': {
        const zombie = pick(this.zombies, action.claim);
        if (zombie) await this.expectNoChange(() => zombie.worker.step(0, [ended(zombie.claim)]));
        return;
      }
      case 'limit':
        await this.define(action.runs);
        await admitRuns(engine.context);
        return;
      case 'loseQueue':
        await engine.database.pool.query('delete from ready');
        await restoreReadyRows(engine.database.pool, new Date(Date.now() + 1000), engine.context.now());
        return;
    }
  }

  /** Postgres has only so many connections. */
  async leave(): Promise<void> {
    const workers = new Set([...this.hands, ...this.zombies, ...this.reported].map(({ worker }) => worker));
    await Promise.all([...workers].map((worker) => worker.end()));
  }

  async step(hand: Hand, want: number, finishes: readonly Finish[]): Promise<void> {
    const { claims } = await hand.worker.step(want, finishes);
    for (const claim of claims) {
      // Nobody else believes that it holds this one, but a zombie.
      for (const other of this.hands)
        expect(other.held.has(claim.id), `block run ${claim.id} was claimed twice`).toBe(false);
      hand.held.set(claim.id, claim);
    }
  }

  async report(hand: Hand, claim: Claim, outcome: Finish['outcome'], want: number): Promise<void> {
    hand.held.delete(claim.id);
    const finish = ended(claim, outcome, outcome === 'retry' ? { retryAt: engine.context.now() } : {});
    this.reported.push({ worker: hand.worker, finish });
    await this.step(hand, want, [finish]);
  }

  /** An answer that came before, or comes too late, changes nothing. */
  async expectNoChange(say: () => Promise<unknown>): Promise<void> {
    const before = await this.everything();
    await say();
    expect(await this.everything()).toEqual(before);
  }

  async everything(): Promise<unknown> {
    const { rows } = await engine.database.pool.query(
      `select (select json_agg(r order by r.id) from pipeline_run r where r.id = any($1)) as runs,
              (select json_agg(b order by b.id) from block_run b where b.pipeline_run_id = any($1)) as blocks,
              (select json_agg(a order by a.block_run_id, a.number) from block_attempt a where a.pipeline_run_id = any($1)) as attempts,
              (select max(id)::text from run_event) as events`,
      [this.runs],
    );
    return rows[0];
  }

  async check(): Promise<void> {
    for (const runId of this.runs) await expectInvariants(engine.database, runId);
    await expectNothingSilent(engine.database, this.runs, engine.context.now());
    const doubled = await engine.database.pool.query(
      `select block_run_id, run_attempt from block_attempt where pipeline_run_id = any($1) and status = 'completed'
        group by 1, 2 having count(*) > 1`,
      [this.runs],
    );
    expect(doubled.rows, 'a block run completed twice in one try of its run').toEqual([]);
  }

  /** Everybody does their duty until nothing is left to do. */
  async finishAll(): Promise<void> {
    await this.define(null);
    for (let round = 0; round < 200; round++) {
      await admitRuns(engine.context);
      await settleRuns(engine.context);
      for (const hand of this.hands) {
        const held = [...hand.held.values()].map((claim) => ({ blockRunId: claim.id, fence: claim.fence }));
        const { stop } = await claimsToStop(engine.database.pool, hand.worker.id, held);
        for (const claim of [...hand.held.values()]) {
          await this.report(hand, claim, stop.includes(claim.id) ? 'stopped' : 'completed', 0);
        }
        await this.step(hand, 4, []);
      }
      const open = await engine.database.pool.query<{ status: string }>(
        `select status from pipeline_run where id = any($1) and status in ('initial', 'running')`,
        [this.runs],
      );
      if (open.rows.length === 0) return;
    }
    throw new Error('Some run never ended.');
  }
}

function pick<T>(from: readonly T[], place: number): T | undefined {
  return from.length === 0 ? undefined : from[place % from.length];
}

let sample = 0;
test('any history keeps the promises, and every run ends', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryDag(6),
      rules,
      fc.array(action, { minLength: 5, maxLength: 40 }),
      async (dag, triggerRules, actions) => {
        const world = new World(`model_${sample++}`, dag, triggerRules);
        await world.define(null);
        for (let i = 0; i < 2; i++) world.hands.push({ worker: await engine.worker(), held: new Map() });
        world.runs.push(await engine.start(world.pipeline));
        try {
          for (const each of actions) {
            await world.act(each);
            await world.check();
          }
          await world.finishAll();
          await world.check();
        } finally {
          await world.leave();
        }
        for (const runId of world.runs) expect(isTerminalRun((await engine.runRow(runId)).status as never)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});
