import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCode, startApi, type TestApi } from './api.ts';
import { seedRuns } from './many-runs.ts';
import { chain, saveProject } from './project.ts';

/** Six runs, told apart by the second at which they were made. */

let api: TestApi;
let triggerId: string;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('daily_sales', []), chain('daily%stock', [])]);
  const { pool } = api.database;
  await seedRuns(api.database, 6, {
    pipelineUuid: `case when n <= 4 then 'daily_sales' else 'daily%stock' end`,
    status: `case when n = 1 then 'initial' when n = 2 then 'running' when n in (3, 4) then 'failed' else 'completed' end`,
    startedAt: `case when n = 1 then null else timestamptz '2026-03-01 00:01:00Z' end`,
    completedAt: `case when n <= 2 then null else timestamptz '2026-03-01 00:01:00Z' + n * interval '1 second' end`,
    tags: `case when n % 2 = 0 then array['nightly', 'EU'] else '{}'::text[] end`,
    reasonCode: `case when n in (3, 4) then 'BLOCK_FAILED' when n > 4 then 'SUCCEEDED' end`,
  });
  const trigger = await pool.query<{ id: bigint }>(`
    insert into trigger (pipeline_uuid, name, type, status, managed_by_code, created_at, updated_at)
    values ('daily_sales', 'hourly', 'time', 'active', true, now(), now()) returning id`);
  triggerId = `trg_${trigger.rows[0]!.id}`;
  await pool.query(`update pipeline_run set trigger_id = $1 where created_at = '2026-03-01 00:00:02Z'`, [
    trigger.rows[0]!.id,
  ]);
  await pool.query(`update pipeline_run set is_newest = false where created_at = '2026-03-01 00:00:03Z'`);
  await pool.query(
    `update pipeline_run set passed_sla = true, cause = 'schedule' where created_at = '2026-03-01 00:00:05Z'`,
  );
});
afterAll(() => api?.close());

const source =
  'query ($filter: PipelineRunFilter) { pipelineRuns(filter: $filter) { totalCount nodes { createdAt } } }';
type Found = { pipelineRuns: { totalCount: number; nodes: { createdAt: string }[] } };

/** The seconds of the runs that a filter finds, and the count must agree. */
async function found(filter: unknown): Promise<number[]> {
  const { pipelineRuns } = await api.data<Found>(source, { filter });
  expect(pipelineRuns.totalCount).toBe(pipelineRuns.nodes.length);
  return pipelineRuns.nodes.map(({ createdAt }) => new Date(createdAt).getUTCSeconds()).sort();
}

const cases: readonly [object | null, readonly number[]][] = [
  [null, [1, 2, 3, 4, 5, 6]],
  [{}, [1, 2, 3, 4, 5, 6]],
  [{ pipelineUuid: { eq: 'daily_sales' } }, [1, 2, 3, 4]],
  [{ pipelineUuid: { in: [] } }, []],
  [{ pipelineUuid: { in: ['daily%stock', 'none'] } }, [5, 6]],
  [{ pipelineUuid: { notIn: ['daily%stock'] } }, [1, 2, 3, 4]],
  [{ pipelineUuid: { contains: 'SALES' } }, [1, 2, 3, 4]],
  [{ pipelineUuid: { startsWith: 'Daily' } }, [1, 2, 3, 4, 5, 6]],
  // What is special in a LIKE pattern is an ordinary character here.
  [{ pipelineUuid: { contains: '%' } }, [5, 6]],
  [{ pipelineUuid: { startsWith: 'daily_' } }, [1, 2, 3, 4]],
  [{ pipelineUuid: { contains: '\\' } }, []],
  [{ pipelineUuid: { eq: null } }, [1, 2, 3, 4, 5, 6]],
  [{ tag: { eq: 'EU' } }, [2, 4, 6]],
  [{ tag: { contains: 'night' } }, [2, 4, 6]],
  [{ tag: { notIn: ['EU'] } }, [1, 3, 5]],
  [{ tag: { in: [] } }, []],
  [{ status: { in: ['FAILED'] } }, [3, 4]],
  [{ status: { in: ['FAILED', 'RUNNING', 'FAILED'] } }, [2, 3, 4]],
  [{ status: { notIn: ['FAILED', 'COMPLETED'] } }, [1, 2]],
  [{ status: { in: [] } }, []],
  [{ cause: ['SCHEDULE'] }, [5]],
  [{ cause: [] }, []],
  [{ statusReason: ['BLOCK_FAILED'] }, [3, 4]],
  [{ executionDate: { gte: '2026-03-01T00:00:03Z', lt: '2026-03-01T00:00:05Z' } }, [3, 4]],
  [{ createdAt: { gte: '2026-03-01T01:00:04+01:00' } }, [4, 5, 6]],
  [{ startedAt: { isNull: true } }, [1]],
  [{ completedAt: { isNull: false } }, [3, 4, 5, 6]],
  [{ durationMs: { gte: 4000, lt: 6000 } }, [4, 5]],
  [{ passedSla: true }, [5]],
  [{ lastRunFailed: true }, [4]],
  [{ lastRunFailed: false }, [1, 2, 3, 4, 5, 6]],
  [{ and: [{ status: { in: ['FAILED'] } }, { tag: { eq: 'EU' } }] }, [4]],
  [{ or: [{ passedSla: true }, { status: { in: ['INITIAL'] } }] }, [1, 5]],
  [{ or: [] }, []],
  [{ and: [] }, [1, 2, 3, 4, 5, 6]],
  // A run without a duration has none above a second: `not` finds it.
  [{ not: { durationMs: { gte: 0 } } }, [1, 2]],
  [{ not: { or: [{ status: { in: ['FAILED'] } }, { tag: { eq: 'EU' } }] } }, [1, 5]],
];

test.each(cases)('the filter %j finds the runs %j', async (filter, expected) => {
  expect(await found(filter)).toEqual(expected);
});

test('runs are found by their own id and by that of their trigger', async () => {
  const { pipelineRuns } = await api.data<{ pipelineRuns: { nodes: { id: string }[] } }>(
    '{ pipelineRuns { nodes { id } } }',
  );
  const [newest, second] = pipelineRuns.nodes.map((run) => run.id);
  expect(await found({ id: { eq: newest } })).toEqual([6]);
  expect(await found({ id: { in: [newest, second] } })).toEqual([5, 6]);
  expect(await found({ id: { eq: newest, in: [second] } })).toEqual([]);
  expect(await found({ id: { notIn: [newest] } })).toEqual([1, 2, 3, 4, 5]);
  expect(await found({ triggerId: { eq: triggerId } })).toEqual([2]);
  expect(await found({ triggerId: { notIn: [triggerId] } })).toEqual([1, 3, 4, 5, 6]);
});

test('a malformed id in a filter is a mistake, not an empty list', async () => {
  for (const filter of [{ id: { eq: '1042' } }, { id: { in: ['blk_1'] } }, { triggerId: { notIn: ['run_1'] } }]) {
    const result = await api.ask(source, { variables: { filter } });
    expect(errorCode(result)).toBe('INVALID_INPUT');
    expect(result.errors?.[0]?.message).toMatch(/one looks like/);
  }
});

test('filters that no person would write are refused', async () => {
  const nested = (depth: number): object => (depth === 0 ? {} : { not: nested(depth - 1) });
  const ids = Array.from({ length: 1_001 }, (_, n) => `run_${n + 1}`);
  for (const filter of [nested(5), { id: { in: ids } }, { or: Array.from({ length: 101 }, () => ({})) }]) {
    expect(errorCode(await api.ask(source, { variables: { filter } }))).toBe('INVALID_INPUT');
  }
});

test("a pipeline's own runs stay its own, whatever the filter says", async () => {
  const answer = await api.data(
    '{ pipeline(uuid: "daily_sales") { runs(filter: {or: [{pipelineUuid: {eq: "daily%stock"}}, {passedSla: true}]}) { totalCount } } }',
  );
  expect(answer).toEqual({ pipeline: { runs: { totalCount: 0 } } });
});
