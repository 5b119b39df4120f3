import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import type { KeysetWindow } from '../../src/store/keyset.ts';
import {
  type PipelineRunCriteria,
  type PipelineRunSort,
  pipelineRunPageQuery,
} from '../../src/store/list-pipeline-runs.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { seedRuns } from './many-runs.ts';
import { chain, saveProject } from './project.ts';

/** A list must cost the same whatever the number of runs: so its statements may only walk along an index. */

let home: TestDatabase;
let database: Database;

beforeAll(async () => {
  home = await createTestDatabase();
  database = openDatabase(home.connection);
  await saveProject(database, [chain('sales', []), chain('stock', [])]);
  await seedRuns(database, 20_000, {
    pipelineUuid: `case when n % 50 = 0 then 'stock' else 'sales' end`,
    status: `case when n % 10 = 0 then 'failed' else 'completed' end`,
  });
});
afterAll(async () => {
  await database?.close();
  await home?.drop();
});

const newestFirst: PipelineRunSort = { field: 'createdAt', direction: 'desc' };
const start: KeysetWindow = { from: null, backward: false, limit: 26 };
const middle: KeysetWindow = { ...start, from: { value: new Date('2026-03-01T02:46:40Z'), id: 10_000n } };

type Plan = { 'Node Type': string; 'Actual Rows': number; 'Rows Removed by Filter'?: number; Plans?: Plan[] };

async function plan(criteria: PipelineRunCriteria, sort: PipelineRunSort, window: KeysetWindow): Promise<Plan[]> {
  const { text, values } = pipelineRunPageQuery(criteria, sort, window);
  const { rows } = await database.pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `explain (analyze, format json) ${text}`,
    values,
  );
  const flatten = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
  return flatten(rows[0]!['QUERY PLAN'][0].Plan);
}

const lists: readonly [string, PipelineRunCriteria, KeysetWindow][] = [
  ['all runs', {}, start],
  ['all runs, from the middle', {}, middle],
  ['all runs, from the middle backward', {}, { ...middle, backward: true }],
  ['the runs of a pipeline', { pipelineUuid: { eq: 'stock' } }, start],
  ['the runs of a pipeline, from the middle', { pipelineUuid: { eq: 'stock' } }, middle],
  ['the failed runs', { status: { in: ['failed'] } }, start],
  ['the failed runs, from the middle', { status: { in: ['failed'] } }, middle],
];

test.each(lists)('%s are read along an index, and little else is', async (_name, criteria, window) => {
  const nodes = await plan(criteria, newestFirst, window);
  const types = nodes.map((node) => node['Node Type']);
  expect(types).not.toContain('Seq Scan');
  expect(types).not.toContain('Sort');
  const discarded = nodes.reduce((sum, node) => sum + (node['Rows Removed by Filter'] ?? 0), 0);
  expect(discarded).toBeLessThan(10);
});
