import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorCode, startApi, type TestApi } from './api.ts';
import { seedRuns } from './many-runs.ts';
import { chain, saveProject } from './project.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  await saveProject(api.database, [chain('sales', []), chain('stock', [])]);
  // Times repeat, so that the id decides; a third of the runs never started, and some of those never ended.
  await seedRuns(api.database, 60, {
    createdAt: `timestamptz '2026-03-01 00:00:00Z' + (n % 7) * interval '1 second'`,
    startedAt: `case when n % 3 = 0 then null else timestamptz '2026-03-01 01:00:00Z' + (n % 5) * interval '1 second' end`,
    completedAt: `case when n % 4 = 0 then null else timestamptz '2026-03-01 02:00:00Z' + (n % 5) * interval '1 second' end`,
  });
});
afterAll(() => api?.close());

type Page = {
  edges: { cursor: string; node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
};

const runs = /* GraphQL */ `
  query ($orderBy: PipelineRunOrder, $first: Int, $after: String, $last: Int, $before: String, $filter: PipelineRunFilter) {
    pipelineRuns(orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before, filter: $filter) {
      edges { cursor node { id } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

async function page(variables: Record<string, unknown>): Promise<Page> {
  return (await api.data<{ pipelineRuns: Page }>(runs, variables)).pipelineRuns;
}

async function walk(orderBy: object, size: number, backward: boolean): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  for (;;) {
    const { edges, pageInfo } = await page(
      backward ? { orderBy, last: size, before: cursor } : { orderBy, first: size, after: cursor },
    );
    const found = edges.map((edge) => edge.node.id);
    if (backward) ids.unshift(...found);
    else ids.push(...found);
    const [hasMore, hadSome] = backward
      ? [pageInfo.hasPreviousPage, pageInfo.hasNextPage]
      : [pageInfo.hasNextPage, pageInfo.hasPreviousPage];
    expect(hadSome).toBe(cursor !== null);
    if (!hasMore) return ids;
    cursor = backward ? pageInfo.startCursor : pageInfo.endCursor;
  }
}

const orders = fc.record({
  field: fc.constantFrom('CREATED_AT', 'EXECUTION_DATE', 'STARTED_AT', 'COMPLETED_AT'),
  direction: fc.constantFrom('ASC', 'DESC'),
});

test('whatever the order and the size of the pages, each run is shown once, and backward is forward reversed', async () => {
  await fc.assert(
    fc.asyncProperty(orders, fc.integer({ min: 4, max: 31 }), async (orderBy, size) => {
      const whole = (await page({ orderBy, first: 100 })).edges.map((edge) => edge.node.id);
      expect(new Set(whole).size).toBe(60);
      expect(await walk(orderBy, size, false)).toEqual(whole);
      expect(await walk(orderBy, size, true)).toEqual(whole);
    }),
    { numRuns: 6 },
  );
});

test('a run that never started stands last, whichever end comes first', async () => {
  for (const direction of ['ASC', 'DESC']) {
    const source = `{ pipelineRuns(first: 100, orderBy: {field: STARTED_AT, direction: ${direction}}) { nodes { startedAt } } }`;
    const { pipelineRuns } = await api.data<{ pipelineRuns: { nodes: { startedAt: string | null }[] } }>(source);
    const times = pipelineRuns.nodes.map((run) => run.startedAt);
    expect(times.indexOf(null)).toBe(40);
    expect(times.slice(40).every((time) => time === null)).toBe(true);
  }
});

test('a cursor stays good when the run that it stood for is deleted', async () => {
  await seedRuns(api.database, 3, {
    pipelineUuid: `'stock'`,
    createdAt: `timestamptz '2027-01-01 00:00:00Z' + n * interval '1 second'`,
  });
  const filter = { pipelineUuid: { eq: 'stock' } };
  const first = await page({ first: 1, filter });
  await api.database.pool.query(`delete from pipeline_run where id = $1`, [
    first.edges[0]!.node.id.slice('run_'.length),
  ]);
  const { edges, pageInfo } = await page({ first: 5, filter, after: first.pageInfo.endCursor });
  expect(edges).toHaveLength(2);
  expect(pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
  await api.database.pool.query(`delete from pipeline_run where pipeline_uuid = 'stock'`);
});

test('contradicting or impossible page arguments are refused with a sentence', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ first: 1, last: 1 }, /not both/],
    [{ first: -1 }, /negative/],
    [{ last: -1 }, /negative/],
    [{ first: 101 }, /at most 100/],
    [{ first: 1, before: 'x' }, /goes with `last`/],
    [{ last: 1, after: 'x' }, /goes with `first`/],
    [{ after: 'x', before: 'x' }, /not both/],
  ];
  for (const [variables, sentence] of cases) {
    const result = await api.ask(runs, { variables });
    expect(errorCode(result)).toBe('INVALID_INPUT');
    expect(result.errors?.[0]?.message).toMatch(sentence);
  }
});

test('a cursor that is none, was altered, or belongs to another order, filter or list is refused, never an empty page', async () => {
  const { endCursor } = (await page({ first: 2 })).pageInfo;
  const content = JSON.parse(Buffer.from(endCursor!, 'base64url').toString()) as unknown[];
  const altered = (...key: unknown[]) =>
    Buffer.from(JSON.stringify([content[0], content[1], ...key])).toString('base64url');
  const cases: Record<string, unknown>[] = [
    { after: 'garbage' },
    { after: '' },
    { after: altered('yesterday', '1') },
    { after: altered('2026-03-01T00:00:00.000Z', '1; drop table pipeline_run') },
    { after: altered() },
    { after: endCursor, orderBy: { field: 'STARTED_AT', direction: 'DESC' } },
    { after: endCursor, filter: { passedSla: true } },
  ];
  for (const variables of cases) {
    expect(errorCode(await api.ask(runs, { variables: { first: 2, ...variables } })), JSON.stringify(variables)).toBe(
      'INVALID_CURSOR',
    );
  }
  const elsewhere = await api.ask('query ($c: String) { blockRuns(after: $c) { nodes { id } } }', {
    variables: { c: endCursor },
  });
  expect(errorCode(elsewhere)).toBe('INVALID_CURSOR');
});

test('the order in which a filter is written does not matter to its cursors', async () => {
  const { endCursor } = (await page({ first: 2, filter: { passedSla: false, cause: ['API'] } })).pageInfo;
  const next = await page({ first: 2, after: endCursor, filter: { cause: ['API'], passedSla: false } });
  expect(next.edges).toHaveLength(2);
});

test('counts are exact up to 10,000, then say that they are not', async () => {
  const count = '{ pipelineRuns(first: 0) { totalCount totalCountIsExact nodes { id } pageInfo { hasNextPage } } }';
  expect(await api.data(count)).toEqual({
    pipelineRuns: { totalCount: 60, totalCountIsExact: true, nodes: [], pageInfo: { hasNextPage: true } },
  });
  await seedRuns(api.database, 9_941, { pipelineUuid: `'stock'` });
  expect(await api.data(count)).toMatchObject({ pipelineRuns: { totalCount: 10_000, totalCountIsExact: false } });
});
