import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { releaseLostClaims } from '../../src/engine/release-lost-claims.ts';
import { settleRuns } from '../../src/engine/settle-runs.ts';
import type { Claim } from '../../src/store/step.ts';
import { restoreReadyRows } from '../../src/store/workers.ts';
import { arbitraryDag } from '../domain/arbitrary-run.ts';
import { createTestEngine, ended, type TestEngine, type TestWorker } from '../support/engine.ts';
import { expectInvariants } from '../support/invariants.ts';

let engine: TestEngine;
let worker: TestWorker;
beforeAll(async () => {
  engine = await createTestEngine();
  worker = await engine.worker();
});
afterAll(() => engine.close());

const diamond = [[], [0], [0], [1, 2]] as const;
const triggerRules = ['all_success', 'none_failed', 'all_done', 'one_success'] as const;

/** Lets a worker run everything that there is to run; `fails` names the blocks that fail. */
async function runEverything(
  by: TestWorker,
  want: number,
  fails: (claim: Claim) => boolean = () => false,
): Promise<void> {
  let held: readonly Claim[] = [];
  let settled = 0;
  let more = false;
  do {
    const { claims, unsettled, ...answer } = await by.step(
      want,
      held.map((claim) => ended(claim, fails(claim) ? 'failed' : 'completed')),
    );
    // Settling may have queued what waited by another rule.
    settled = await settleRuns(engine.context, unsettled);
    held = claims;
    // All that it took from the queue may have been stale: rows of blocks that were cancelled when an earlier run failed.
    more = answer.more;
  } while (held.length > 0 || settled > 0 || more);
}

describe('a step', () => {
  test('finishes a block and claims the one that waited for it, in one commit', async () => {
    await engine.pipeline('chain', [[], [0], [1]]);
    const run = await engine.start('chain');
    const first = await worker.step(1);
    expect(first.claims.map((claim) => claim.uuid)).toEqual(['b1']);
    const second = await worker.step(1, [ended(first.claims[0]!)]);
    expect(second.claims.map((claim) => claim.uuid)).toEqual(['b2']);
    expect(await engine.statuses(run)).toEqual(['completed', 'running', 'initial']);
    await expectInvariants(engine.database, run);
    await runEverythingFrom(second.claims);
    expect(await engine.runRow(run)).toMatchObject({ status: 'completed', reason_code: 'SUCCEEDED' });
    await expectInvariants(engine.database, run);
  });

  async function runEverythingFrom(claims: readonly Claim[]): Promise<void> {
    let held = claims;
    while (held.length > 0)
      held = (
        await worker.step(
          1,
          held.map((claim) => ended(claim)),
        )
      ).claims;
  }

  test('queues what became ready beyond its free slots, and another worker gets it', async () => {
    await engine.pipeline('diamond', diamond);
    const run = await engine.start('diamond');
    const { claims } = await worker.step(1);
    const next = await worker.step(1, [ended(claims[0]!)]);
    expect(next.claims).toHaveLength(1);
    const other = await engine.worker();
    const theirs = await other.step(4);
    expect([...next.claims, ...theirs.claims].map((claim) => claim.uuid).sort()).toEqual(['b2', 'b3']);
    await worker.step(
      0,
      next.claims.map((claim) => ended(claim)),
    );
    const last = await other.step(
      4,
      theirs.claims.map((claim) => ended(claim)),
    );
    expect(last.claims[0]).toMatchObject({
      uuid: 'b4',
      inputs: [
        { uuid: 'b2', status: 'completed' },
        { uuid: 'b3', status: 'completed' },
      ],
    });
    await other.step(0, [ended(last.claims[0]!)]);
    expect((await engine.runRow(run)).status).toBe('completed');
    await expectInvariants(engine.database, run);
  });

  test('hands inputs in the order of the arguments, with the outputs of each', async () => {
    await engine.pipeline('ordered', [[], [], [1, 0]]);
    await engine.start('ordered');
    const { claims } = await worker.step(2);
    const output = {
      name: 'output_0',
      kind: 'json',
      path: 'x',
      file: 'data.json',
      format: 'json',
      pythonType: null,
      mimeType: null,
      columns: [],
      rowCount: null,
      columnCount: null,
      sizeBytes: 2,
      inline: 42,
    } as const;
    const last = await worker.step(
      1,
      claims.map((claim) => ended(claim, 'completed', claim.uuid === 'b1' ? { outputs: [output] } : {})),
    );
    expect(last.claims[0]?.inputs).toEqual([
      { uuid: 'b2', status: 'completed', outputs: null },
      { uuid: 'b1', status: 'completed', outputs: [output] },
    ]);
    await worker.step(0, [ended(last.claims[0]!)]);
  });

  test('any graph with any failures, claimed in any width, ends with true counts and a replayable history', async () => {
    let serial = 0;
    await fc.assert(
      fc.asyncProperty(
        arbitraryDag(7),
        fc.integer({ min: 1, max: 4 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
        async (dag, want, luck) => {
          const uuid = `any_${serial++}`;
          await engine.pipeline(uuid, dag);
          const run = await engine.start(uuid);
          await runEverything(worker, want, () => luck.next().value === 0);
          const row = await engine.runRow(run);
          expect(['completed', 'failed']).toContain(row.status);
          expect(row.status === 'completed').toBe(
            (await engine.statuses(run)).every((status) => status === 'completed'),
          );
          await expectInvariants(engine.database, run);
        },
      ),
      { numRuns: 60 },
    );
  });
  test('any graph with any trigger rules and failures ends with true counts and a replayable history', async () => {
    let serial = 0;
    await fc.assert(
      fc.asyncProperty(
        arbitraryDag(7),
        fc.integer({ min: 1, max: 4 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
        async (dag, want, luck) => {
          const rules = dag.map(() => triggerRules[luck.next().value % 4]!);
          const uuid = `ruled_${serial++}`;
          await engine.pipeline(uuid, dag, { rules });
          const run = await engine.start(uuid);
          await runEverything(worker, want, () => luck.next().value === 0);
          const row = await engine.runRow(run);
          expect(['completed', 'failed']).toContain(row.status);
          await expectInvariants(engine.database, run);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the fence', () => {
  test('a worker that lost a block run and got it again may report both attempts at once', async () => {
    await engine.pipeline('both_at_once', [[], []]);
    const run = await engine.start('both_at_once');
    const worker = await engine.worker();
    const first = (await worker.step(2)).claims;
    await releaseLostClaims(engine.context, worker.id);
    const second = (await worker.step(2)).claims;
    await worker.step(
      0,
      [...first, ...second].map((claim) => ended(claim)),
    );
    expect(await engine.statuses(run)).toEqual(['completed', 'completed']);
    await expectInvariants(engine.database, run);
  });

  test('a late answer of a worker that lost its claim changes nothing', async () => {
    await engine.pipeline('fenced', [[]]);
    const run = await engine.start('fenced');
    const { claims } = await worker.step(1);
    await engine.database.pool.query(`update block_run set fence = fence + 1 where pipeline_run_id = $1`, [run]);
    const before = await engine.runRow(run);
    await worker.step(0, [ended(claims[0]!)]);
    expect(await engine.runRow(run)).toEqual(before);
    await engine.database.pool.query(`update block_run set fence = fence - 1 where pipeline_run_id = $1`, [run]);
    await worker.step(0, [ended(claims[0]!)]);
    expect((await engine.runRow(run)).status).toBe('completed');
  });

  test('nor does the answer of another worker with the same fence', async () => {
    await engine.pipeline('fenced', [[]]);
    const run = await engine.start('fenced');
    const { claims } = await worker.step(1);
    const other = await engine.worker();
    await other.step(0, [ended(claims[0]!)]);
    expect(await engine.statuses(run)).toEqual(['running']);
    await worker.step(0, [ended(claims[0]!)]);
  });

  test('an end whose answer was lost may be told twice', async () => {
    await engine.pipeline('twice', [[], [0]]);
    const run = await engine.start('twice');
    const { claims } = await worker.step(1);
    const once = await worker.step(0, [ended(claims[0]!)]);
    expect(once.claims).toEqual([]);
    const events = (await engine.runRow(run)).event_seq;
    const again = await worker.step(0, [ended(claims[0]!)]);
    expect(again).toEqual({ claims: [], unsettled: [], more: false, ended: false, callbacks: false });
    expect((await engine.runRow(run)).event_seq).toBe(events);
    await runEverything(worker, 1);
    await expectInvariants(engine.database, run);
  });
});

describe('a ready row is only a hint', () => {
  test('losing every one loses no work', async () => {
    await engine.pipeline('lost_rows', [[], [], []]);
    const run = await engine.start('lost_rows');
    await engine.database.pool.query('delete from ready');
    expect((await worker.step(3)).claims).toEqual([]);
    const now = new Date(Date.now() + 60_000);
    expect(await restoreReadyRows(engine.database.pool, now, new Date())).toBe(3);
    expect(await restoreReadyRows(engine.database.pool, now, new Date())).toBe(0);
    await runEverything(worker, 2);
    expect((await engine.runRow(run)).status).toBe('completed');
    await expectInvariants(engine.database, run);
  });

  test('doubling every one doubles no work', async () => {
    await engine.pipeline('double_rows', [[], [], []]);
    const run = await engine.start('double_rows');
    await engine.database.pool.query(
      'insert into ready (block_run_id, run_id, label, prio, run_at) select block_run_id, run_id, label, prio, run_at from ready',
    );
    await runEverything(worker, 4);
    const attempts = await engine.database.pool.query('select number from block_attempt where pipeline_run_id = $1', [
      run,
    ]);
    expect(attempts.rows).toEqual([{ number: 1 }, { number: 1 }, { number: 1 }]);
    await expectInvariants(engine.database, run);
  });
});

describe('a worker that looks into the queue', () => {
  test('finds what is behind the rows that a failed run left there, one slot and one look at a time', async () => {
    await engine.pipeline('leaves_rows', [[], [], []]);
    await engine.start('leaves_rows');
    const { claims } = await worker.step(1);
    const { unsettled } = await worker.step(0, [ended(claims[0]!, 'failed')]);
    await settleRuns(engine.context, unsettled);
    await engine.pipeline('behind_rows', [[], [0], [0]]);
    const run = await engine.start('behind_rows');
    await runEverything(worker, 1);
    expect(await engine.runRow(run)).toMatchObject({ status: 'completed' });
    await expectInvariants(engine.database, run);
  });

  test('is told when there may be more than its slots hold, also when what it took was stale', async () => {
    await engine.pipeline('stale', [[], []]);
    const run = await engine.start('stale');
    await engine.database.pool.query(
      `insert into ready (block_run_id, run_id, label, prio, run_at) select 0, $1, 'default', -1, now() - interval '1 s' from generate_series(1, 2)`,
      [run],
    );
    expect(await worker.step(2)).toEqual({ claims: [], unsettled: [], more: true, ended: false, callbacks: false });
    const { claims, more } = await worker.step(3);
    expect([claims.length, more]).toEqual([2, false]);
    await worker.step(
      0,
      claims.map((claim) => ended(claim)),
    );
  });
});

describe('what comes back', () => {
  test('a retry waits for its time and holds no slot', async () => {
    await engine.pipeline('again', [[]]);
    const run = await engine.start('again');
    const { claims } = await worker.step(1);
    const soon = new Date(Date.now() + 60_000);
    expect((await worker.step(1, [ended(claims[0]!, 'retry', { retryAt: soon })])).claims).toEqual([]);
    expect(await engine.statuses(run)).toEqual(['queued']);
    const told = await engine.database.pool.query(
      `select attempt, reason_message from run_event where kind = 'block_retry_scheduled' and pipeline_run_id = $1`,
      [run],
    );
    expect(told.rows).toEqual([{ attempt: 1, reason_message: `b1 is tried again at ${soon.toISOString()}.` }]);
    engine.setNow(new Date(soon.getTime() + 1));
    const later = await worker.step(1);
    engine.setNow(null);
    expect(later.claims[0]).toMatchObject({ uuid: 'b1', attempt: 2, retries: 1 });
    await worker.step(0, [ended(later.claims[0]!)]);
    await expectInvariants(engine.database, run);
    const attempts = await engine.database.pool.query(
      'select number, status, reason_code from block_attempt where pipeline_run_id = $1 order by 1',
      [run],
    );
    expect(attempts.rows).toEqual([
      { number: 1, status: 'failed', reason_code: 'BLOCK_ERROR' },
      { number: 2, status: 'completed', reason_code: 'SUCCEEDED' },
    ]);
  });

  test('what a worker gives back is there for the next at once', async () => {
    await engine.pipeline('given_back', [[]]);
    const run = await engine.start('given_back');
    const { claims } = await worker.step(1);
    await worker.step(0, [ended(claims[0]!, 'requeue')]);
    const other = await engine.worker();
    const next = await other.step(1);
    expect(next.claims[0]).toMatchObject({ uuid: 'b1', attempt: 2, retries: 0 });
    await other.step(0, [ended(next.claims[0]!)]);
    await expectInvariants(engine.database, run);
  });

  test('a new run’s first block goes before another run’s hundredth', async () => {
    await engine.pipeline(
      'crowd',
      Array.from({ length: 100 }, () => []),
    );
    await engine.pipeline('newcomer', [[]]);
    const crowd = await engine.start('crowd');
    const first = await worker.step(2);
    const newcomer = await engine.start('newcomer');
    const next = await worker.step(1);
    expect(BigInt(next.claims[0]!.run)).toBe(newcomer);
    await worker.step(
      0,
      next.claims.map((claim) => ended(claim)),
    );
    await worker.step(
      0,
      first.claims.map((claim) => ended(claim)),
    );
    await runEverything(worker, 10);
    expect((await engine.runRow(crowd)).status).toBe('completed');
  });
});
