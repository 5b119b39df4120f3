import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OutputManifest } from '../../src/domain/outputs.ts';
import { OutputGoneError } from '../../src/outputs/stored-file.ts';
import { errorCode, startApi, type TestApi } from './api.ts';
import { seedRuns } from './many-runs.ts';
import { chain, saveProject } from './project.ts';

/** One run of the pipeline sales: load completed at its second attempt, clean failed. */

let api: TestApi;
let run: string;
let load: string;
let clean: string;

const manifest = {
  name: 'output_0',
  kind: 'table',
  path: '1/load/2/output_0',
  columns: [{ name: 'region', type: 'str' }],
  rowCount: 2,
  columnCount: 1,
  sizeBytes: 40,
  mimeType: null,
} as unknown as OutputManifest;

beforeAll(async () => {
  api = await startApi({
    outputs: {
      root: '/outputs',
      sample: async (_root, { name, kind, columns, rowCount, columnCount, sizeBytes, mimeType, path }, count) => {
        if (path.includes('gone')) throw new OutputGoneError(path);
        const rows = [['EU'], ['US']].slice(0, count);
        return {
          name,
          kind,
          columns,
          rowCount,
          columnCount,
          sizeBytes,
          mimeType,
          rows,
          value: null,
          text: null,
          truncated: count < 2,
        };
      },
    },
  });
  await saveProject(api.database, [
    chain('sales', ['load', 'clean'], {
      name: 'Daily sales',
      tags: ['nightly'],
      variables: { region: 'EU', apiKey: 'k' },
    }),
    chain('stock', [], { name: 'A stock' }),
    chain('weather', [], { type: 'streaming' }),
  ]);
  const { pool } = api.database;
  await seedRuns(api.database, 1, { status: `'failed'`, reasonCode: `'BLOCK_FAILED'` }, 2);
  await pool.query(`
    update block_run set block_uuid = case position when 1 then 'load' else 'clean' end, status = (case position when 1 then 'completed' else 'failed' end)::block_run_status,
      attempt = 3 - position, started_at = created_at, completed_at = created_at + interval '3 seconds',
      error = case position when 2 then '{"blockUuid": "clean", "type": "ValueError", "message": "No rows.", "stackTrace": "line 1"}'::jsonb end`);
  await pool.query(
    `update block_run b set upstream = array(select id from block_run where position < b.position), downstream = array(select id from block_run where position > b.position)`,
  );
  await pool.query(`update block_run set outputs = $1 where block_uuid = 'load'`, [JSON.stringify([manifest])]);
  await pool.query(`update block_run set outputs = $1 where block_uuid = 'clean'`, [
    JSON.stringify([{ ...manifest, path: 'gone' }]),
  ]);
  await pool.query(`
    insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, worker_id, started_at, completed_at, cpu_time_ms, max_rss_bytes, tests, dropped_lines)
    select id, n, pipeline_run_id, 1, n, case when n < attempt then 'failed' else status end, 7, created_at, created_at + n * interval '1 second', 10 * n, 1000 * n,
      '[{"name": "test_rows", "passed": true, "message": null}]', n
    from block_run cross join generate_series(1, attempt) as n`);
  await pool.query(`
    insert into log_line (at, level, stream, message, pipeline_run_id, block_run_id, block_uuid, attempt)
    select created_at + n * interval '1 millisecond', (case n % 3 when 0 then 'warning' else 'info' end)::log_level, 'stdout', 'line ' || n || ' of ' || block_uuid, pipeline_run_id, id, block_uuid, 1 + n % attempt
    from block_run cross join generate_series(1, 10) as n order by n, id`);
  const { rows } = await pool.query<{ id: bigint; pipeline_run_id: bigint }>(
    'select id, pipeline_run_id from block_run order by position',
  );
  run = `run_${rows[0]!.pipeline_run_id}`;
  load = `blk_${rows[0]!.id}`;
  clean = `blk_${rows[1]!.id}`;
});
afterAll(() => api?.close());

test('a pipeline shows its definition, with secrets masked, and its newest run that was not skipped', async () => {
  await seedRuns(api.database, 1, {
    createdAt: `timestamptz '2027-01-01Z'`,
    status: `'cancelled'`,
    reasonCode: `'SKIPPED_LIMIT'`,
  });
  const { pipeline } = await api.data(
    '{ pipeline(uuid: "sales") { id uuid name type tags variables version isRunnable problems { message } concurrency { pipelineRunLimit onPipelineRunLimitReached } blocks { uuid code upstreamBlocks { uuid } downstreamBlocks { uuid } triggerRule retryConfig { retries } } lastRun { id } } }',
  );
  expect(pipeline).toMatchObject({
    id: 'pip_sales',
    type: 'PYTHON',
    tags: ['nightly'],
    variables: { region: 'EU', apiKey: '********' },
    concurrency: { pipelineRunLimit: null, onPipelineRunLimitReached: 'WAIT' },
    blocks: [
      { uuid: 'load', upstreamBlocks: [], downstreamBlocks: [{ uuid: 'clean' }], triggerRule: 'ALL_SUCCESS' },
      { uuid: 'clean', upstreamBlocks: [{ uuid: 'load' }] },
    ],
    lastRun: { id: run },
  });
});

test('pipelines are listed, filtered, ordered and paged', async () => {
  const list = async (args: string) => {
    const { pipelines } = await api.data<{ pipelines: { nodes: { uuid: string }[]; totalCount: number } }>(
      `{ pipelines${args} { totalCount nodes { uuid } } }`,
    );
    expect(pipelines.totalCount).toBeGreaterThanOrEqual(pipelines.nodes.length);
    return pipelines.nodes.map(({ uuid }) => uuid);
  };
  expect(await list('')).toEqual(['sales', 'stock', 'weather']);
  expect(await list('(orderBy: {field: NAME, direction: ASC})')).toEqual(['stock', 'sales', 'weather']);
  expect(await list('(orderBy: {field: LAST_RUN_AT, direction: DESC})')).toEqual(['sales', 'weather', 'stock']);
  expect(await list('(filter: {search: "DAILY"})')).toEqual(['sales']);
  expect(await list('(filter: {type: [STREAMING]})')).toEqual(['weather']);
  expect(await list('(filter: {tag: {eq: "nightly"}})')).toEqual(['sales']);
  expect(await list('(filter: {lastRunStatus: [FAILED]})')).toEqual(['sales']);
  expect(await list('(filter: {uuid: {startsWith: "S"}})')).toEqual(['sales', 'stock']);
  expect(await list('(last: 1)')).toEqual(['weather']);
  const { pipelines } = await api.data<{ pipelines: { pageInfo: { endCursor: string } } }>(
    '{ pipelines(first: 1, orderBy: {field: LAST_RUN_AT, direction: DESC}) { pageInfo { endCursor } } }',
  );
  expect(
    await list(`(first: 5, after: "${pipelines.pageInfo.endCursor}", orderBy: {field: LAST_RUN_AT, direction: DESC})`),
  ).toEqual(['weather', 'stock']);
});

test('a pipeline whose files are gone is not listed; its runs stay readable', async () => {
  await api.database.prisma.pipeline.update({ where: { uuid: 'sales' }, data: { removedAt: new Date() } });
  expect(
    await api.data(
      `{ pipeline(uuid: "sales") { uuid } pipelineRun(id: "${run}") { pipelineUuid pipeline { uuid } definition { blocks { uuid } } } }`,
    ),
  ).toMatchObject({
    pipeline: null,
    pipelineRun: {
      pipelineUuid: 'sales',
      pipeline: null,
      definition: { blocks: [{ uuid: 'load' }, { uuid: 'clean' }] },
    },
  });
  await api.database.prisma.pipeline.update({ where: { uuid: 'sales' }, data: { removedAt: null } });
});

test('a block run shows what it is, every attempt, its neighbours, tests and resources', async () => {
  const { blockRun } = await api.data(
    `{ blockRun(id: "${load}") { name blockType language status attempt durationMs error { message } upstream { id } downstream { id } attempts { number status worker durationMs tests { name passed } resourceUsage { cpuTimeMs } } newest: attempts(last: 1) { number } tests { name } resourceUsage { cpuTimeMs maxRssBytes wallTimeMs } pipelineRun { id resourceUsage { cpuTimeMs maxRssBytes wallTimeMs } } } }`,
  );
  expect(blockRun).toMatchObject({
    name: 'The block load',
    blockType: 'TRANSFORMER',
    language: 'TYPESCRIPT',
    durationMs: 3000,
    error: null,
    upstream: [],
    downstream: [{ id: clean }],
    attempts: [
      { number: 1, status: 'FAILED', worker: 'wrk_7', durationMs: 1000, tests: [{ name: 'test_rows', passed: true }] },
      { number: 2, status: 'COMPLETED', resourceUsage: { cpuTimeMs: 20 } },
    ],
    newest: [{ number: 2 }],
    tests: [{ name: 'test_rows' }],
    resourceUsage: { cpuTimeMs: 20, maxRssBytes: 2000, wallTimeMs: 2000 },
    pipelineRun: { id: run, resourceUsage: { cpuTimeMs: 40, maxRssBytes: 2000, wallTimeMs: 10_000 } },
  });
});

test("a run's block runs are paged in the order of the definition, and counted", async () => {
  type Page = { pipelineRun: { blockRuns: { nodes: { id: string }[]; pageInfo: { endCursor: string } } } };
  const first = await api.data<Page>(
    `{ pipelineRun(id: "${run}") { blockRuns(first: 1) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } } }`,
  );
  expect(first.pipelineRun.blockRuns).toMatchObject({
    totalCount: 2,
    nodes: [{ id: load }],
    pageInfo: { hasNextPage: true, hasPreviousPage: false },
  });
  const cursor = first.pipelineRun.blockRuns.pageInfo.endCursor;
  const second = await api.data<Page>(
    `{ pipelineRun(id: "${run}") { blockRuns(first: 1, after: "${cursor}") { nodes { id } pageInfo { hasNextPage hasPreviousPage } } } }`,
  );
  expect(second.pipelineRun.blockRuns).toMatchObject({
    nodes: [{ id: clean }],
    pageInfo: { hasNextPage: false, hasPreviousPage: true },
  });
  const failed = await api.data(
    `{ pipelineRun(id: "${run}") { blockRuns(filter: {status: [FAILED]}) { totalCount nodes { id error { type message stackTrace } } } } blockRuns(filter: {blockUuid: {contains: "LEA"}, pipelineUuid: {eq: "sales"}}) { totalCount nodes { id } } }`,
  );
  expect(failed).toMatchObject({
    pipelineRun: {
      blockRuns: { totalCount: 1, nodes: [{ id: clean, error: { type: 'ValueError', message: 'No rows.' } }] },
    },
    blockRuns: { totalCount: 1, nodes: [{ id: clean }] },
  });
  expect(errorCode(await api.ask(`{ pipelineRun(id: "${run}") { blockRuns(first: 1001) { nodes { id } } } }`))).toBe(
    'INVALID_INPUT',
  );
});

test('logs are read of a run, a block run and an attempt, oldest first or the newest', async () => {
  const { pipelineRun, blockRun } = await api.data<{
    pipelineRun: Record<string, unknown>;
    blockRun: { attempts: unknown[] };
  }>(`{
    pipelineRun(id: "${run}") {
      logs(first: 2) { nodes { message blockRunId pipelineRunId level stream } isComplete droppedLines pageInfo { hasNextPage } }
      newest: logs(last: 1) { nodes { message } }
      warnings: logs(filter: {level: [WARNING], search: "OF CLEAN"}) { nodes { message } }
    }
    blockRun(id: "${load}") {
      logs(filter: {attempt: 1}) { nodes { attempt } droppedLines }
      elsewhere: logs(filter: {blockRunId: {eq: "${clean}"}}) { nodes { message } }
      attempts { logs { nodes { attempt } isComplete droppedLines } }
    }
  }`);
  expect(pipelineRun).toMatchObject({
    logs: {
      nodes: [
        { message: 'line 1 of load', blockRunId: load, pipelineRunId: run, level: 'INFO', stream: 'STDOUT' },
        { message: 'line 1 of clean' },
      ],
      isComplete: true,
      droppedLines: 4,
      pageInfo: { hasNextPage: true },
    },
    newest: { nodes: [{ message: 'line 10 of clean' }] },
    warnings: {
      nodes: [{ message: 'line 3 of clean' }, { message: 'line 6 of clean' }, { message: 'line 9 of clean' }],
    },
  });
  expect(blockRun).toMatchObject({
    logs: { nodes: Array.from({ length: 5 }, () => ({ attempt: 1 })), droppedLines: 3 },
    elsewhere: { nodes: [] },
  });
  expect(blockRun.attempts).toMatchObject([
    { logs: { isComplete: true, droppedLines: 1 } },
    { logs: { droppedLines: 2 } },
  ]);
});

test('outputs are sampled; one that is gone is null with a sentence, and the rest of the answer stays', async () => {
  const result = await api.ask(
    `{ there: blockRun(id: "${load}") { outputs(sampleCount: 1) { name kind columns { name type } rows rowCount truncated } } gone: blockRun(id: "${clean}") { status outputs { name } } }`,
  );
  expect(result.data).toMatchObject({
    there: {
      outputs: [
        {
          name: 'output_0',
          kind: 'TABLE',
          columns: [{ name: 'region', type: 'str' }],
          rows: [['EU']],
          rowCount: 2,
          truncated: true,
        },
      ],
    },
    gone: { status: 'FAILED', outputs: null },
  });
  expect(result.errors).toMatchObject([
    { path: ['gone', 'outputs'], extensions: { code: 'OUTPUT_GONE' }, message: expect.stringContaining('gone') },
  ]);
  expect(errorCode(await api.ask(`{ blockRun(id: "${load}") { outputs(sampleCount: 1001) { name } } }`))).toBe(
    'INVALID_INPUT',
  );
});

test('anything is found by its global id; what is unknown or malformed is null', async () => {
  const { nodes } = await api.data('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', {
    ids: [
      run,
      load,
      'pip_sales',
      'run_999999',
      'run_01',
      'run_99999999999999999999',
      'trg_1',
      'blk_x',
      '',
      'constructor',
    ],
  });
  expect(nodes).toEqual([
    { __typename: 'PipelineRun', id: run },
    { __typename: 'BlockRun', id: load },
    { __typename: 'Pipeline', id: 'pip_sales' },
    ...Array.from({ length: 7 }, () => null),
  ]);
  expect(await api.data('{ pipelineRun(id: "1") { id } blockRun(id: "run_1") { id } node(id: "x") { id } }')).toEqual({
    pipelineRun: null,
    blockRun: null,
    node: null,
  });
  expect(
    errorCode(
      await api.ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
        variables: { ids: Array.from({ length: 101 }, () => run) },
      }),
    ),
  ).toBe('INVALID_INPUT');
});

test('the server says how it is, with the workers that have not left and the problems of all pipelines', async () => {
  const { pool, prisma } = api.database;
  await pool.query(
    `insert into worker (host, pid, labels, slots, started_at, ended_at) values ('box', 1, '{default}', 4, '2026-03-01Z', null), ('gone', 2, '{}', 4, '2026-03-01Z', '2026-03-01Z')`,
  );
  await pool.query(
    `insert into worker_beat (worker_id, counter, busy, at) select id, 1, 3, '2026-03-02Z' from worker where host = 'box'`,
  );
  await prisma.pipeline.update({
    where: { uuid: 'stock' },
    data: { problems: [{ severity: 'error', file: 'pipelines/stock/metadata.yaml', line: 3, message: 'No blocks.' }] },
  });
  const { server } = await api.data(
    '{ server { version database projectName schedulerAlive queuedBlockRuns eventLagMs workers { host slots busy labels lastSeenAt } problems { severity file line message } } }',
  );
  expect(server).toEqual({
    version: '0.0.0-test',
    database: 'EMBEDDED',
    projectName: 'examples',
    schedulerAlive: true,
    queuedBlockRuns: 0,
    eventLagMs: 0,
    workers: [{ host: 'box', slots: 4, busy: 3, labels: ['default'], lastSeenAt: '2026-03-02T00:00:00.000Z' }],
    problems: [{ severity: 'ERROR', file: 'pipelines/stock/metadata.yaml', line: 3, message: 'No blocks.' }],
  });
});
