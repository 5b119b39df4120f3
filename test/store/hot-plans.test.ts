import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestEngine, ended, type TestEngine } from '../support/engine.ts';

/**
 * Every fresh database is ANALYZEd while its tables are empty, and is asked to plan for a hundred thousand rows a day later.
 * A hot call must find its rows by their keys then, too: it may touch a few hundred pages, whatever the tables hold.
 */
let engine: TestEngine;
beforeAll(async () => {
  engine = await createTestEngine();
  await engine.database.pool.query('analyze');
  await engine.pipeline('crowd', [[], [0], [1]]);
  const { rows } = await engine.database.pool.query<{ id: bigint }>(
    `insert into pipeline_run (pipeline_uuid, pipeline_version, code_version, cause, execution_date, variables, blocks_total, blocks_initial,
                               blocks_completed, status, created_at, attempt_created_at)
     select 'crowd', 'v1', 'v1', 'api', now(), '{}', 20, 0, 20, 'completed', now(), now() from generate_series(1, 5000) returning id`,
  );
  const ids = rows.map((row) => row.id);
  await engine.database.pool.query(
    `insert into block_run (pipeline_run_id, block_uuid, position, pending_upstream, status, created_at)
     select r, 'b' || i, i, 0, 'completed', now() from unnest($1::bigint[]) r, generate_series(1, 20) i`,
    [ids],
  );
  await engine.database.pool.query(
    `insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt)
     select r, i, now(), 'block_status_changed', 'crowd', 1 from unnest($1::bigint[]) r, generate_series(1, 20) i`,
    [ids],
  );
  await engine.database.pool.query(
    `insert into ready (block_run_id, run_id, label, prio, run_at) select 0, 0, 'another label', 0, now() from generate_series(1, 100000)`,
  );
}, 60_000);
afterAll(() => engine.close());

/** The pages that a call touched, in memory or not, everything inside of functions included. */
async function pagesOf(statement: string, values: readonly unknown[] = []): Promise<number> {
  const client = await engine.database.pool.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
      `explain (analyze, buffers, format json) ${statement}`,
      [...values],
    );
    await client.query('commit');
    const plan = rows[0]!['QUERY PLAN'][0].Plan;
    return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
  } finally {
    client.release();
  }
}

describe('with a hundred thousand rows in tables that were empty when they were analyzed', () => {
  test('a look into the queue that claims, and a step that finishes and claims, touch few pages', async () => {
    await engine.start('crowd');
    const worker = await engine.worker();
    // The first calls of a session also read the catalogue.
    const warm = await worker.step(1);
    await worker.step(
      1,
      warm.claims.map((claim) => ended(claim)),
    );
    await engine.start('crowd');
    const nothing = `'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'`;
    const look = await pagesOf(`select step(${worker.id}, 'default', 1, true, now(), ${nothing})`);
    const held = await engine.database.pool.query<{ id: bigint; run: bigint; fence: number }>(
      `select id, pipeline_run_id as run, fence from block_run where pipeline_run_id = (select max(id) from pipeline_run) and status = 'running'`,
    );
    const { id, run, fence } = held.rows[0]!;
    const finish = await pagesOf(
      `select step(${worker.id}, 'default', 1, false, now(), $1, $2, $3, '{completed}', '{1}', '{1}', '{1}', array[null]::jsonb[])`,
      [[id], [run], [fence]],
    );
    // The first call of each plan in this session reads the catalogue, too: that is most of what is counted here.
    expect(look).toBeLessThan(1000);
    expect(finish).toBeLessThan(1000);
    const again = await pagesOf(`select step(${worker.id}, 'default', 1, true, now(), ${nothing})`);
    expect(again).toBeLessThan(200);
  });

  test('so does the short way of a chain', async () => {
    await engine.start('crowd');
    const worker = await engine.worker();
    const { claims } = await worker.step(4);
    const claim = claims.find((each) => each.uuid === 'b1')!;
    const call = (id: number, fence: number) =>
      pagesOf(
        `select * from complete_and_follow(${worker.id}, 'default', now(), ${id}, ${claim.run}, ${fence}, 1, 1, 1, null, null, 0)`,
      );
    await call(claim.id, claim.fence);
    const next = await engine.database.pool.query<{ id: number; fence: number }>(
      `select id::int, fence from block_run where pipeline_run_id = ${claim.run} and status = 'running'`,
    );
    expect(next.rows).toHaveLength(1);
    // What follows b2 waits for nothing else either.
    expect(await call(next.rows[0]!.id, next.rows[0]!.fence)).toBeLessThan(200);
  });

  test('so does starting a run', async () => {
    await engine.pipeline('limited', [[]], { concurrency: { pipelineRunLimitAllTriggers: 0 } });
    await engine.start('limited');
    await pagesOf(`select start_runs(array[(select max(id) from pipeline_run)], now())`);
    await engine.start('limited');
    expect(await pagesOf(`select start_runs(array[(select max(id) from pipeline_run)], now())`)).toBeLessThan(200);
  });
});
