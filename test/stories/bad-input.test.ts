import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEmptyDatabase } from '../support/postgres.ts';
import { commandOf, descendants } from '../support/processes.ts';
import { penstock } from '../support/run-cli.ts';
import { type ServerProcess, startServerProcess, writeFiles, writeProject } from '../support/server-process.ts';
import { follow, followEvents } from '../support/stranger.ts';
import { until } from '../support/waiting.ts';

const whole = 'blocks:\n- {uuid: hello, type: custom, language: typescript, upstream_blocks: []}\n';
const torn = 'name: Broken\nblocks:\n- {uuid: hello, type: custom\n  upstream_blocks: [\n';
const project = writeProject({
  'pipelines/good/metadata.yaml': whole,
  'pipelines/broken/metadata.yaml': torn,
  'pipelines/hollow/metadata.yaml': whole.replace('hello', 'gone'),
  'custom/hello.ts': 'export default () => "hello";',
});
const folder = join(project.dir, 'project');
const data = join(project.dir, 'data');
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(folder, data, ['--slots', '2']);
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

/** Nothing that a person reads is a stack trace, a dump of an object, or long. */
function expectSentence(text: string): void {
  expect(text).not.toMatch(/^\s+at |node:internal|\bundefined\b|\[object|did not foresee/m);
  expect(text.trim()).not.toBe('');
  expect(text.length).toBeLessThan(900);
}

type Answer = {
  readonly data?: Record<string, never> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
};

async function post(body: string): Promise<Answer> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    body,
  });
  return (await response.json()) as Answer;
}

const trigger = `mutation($input: TriggerPipelineRunInput!) { triggerPipelineRun(input: $input) { __typename
  ... on UserError { code message path } ... on PipelineInvalidError { problems { file line message } }
  ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }`;

type Triggered = {
  readonly __typename: string;
  readonly message: string;
  readonly path: readonly string[];
  readonly problems: readonly { readonly file: string; readonly line: number | null; readonly message: string }[];
  readonly pipelineRun: { readonly id: string };
};

async function triggered(input: Record<string, unknown>): Promise<Triggered> {
  return (await server.query<{ triggerPipelineRun: Triggered }>(trigger, { input })).triggerPipelineRun;
}

async function runToItsEnd(pipelineUuid: string): Promise<string> {
  const { pipelineRun } = await triggered({ pipelineUuid });
  return until(`${pipelineUuid} ends`, async () => {
    const { pipelineRun: run } = await server.query<{ pipelineRun: { status: string; isTerminal: boolean } }>(
      'query($id: ID!) { pipelineRun(id: $id) { status isTerminal } }',
      { id: pipelineRun.id },
    );
    return run.isTerminal && run.status;
  });
}

const countRuns = async () =>
  (await server.query<{ pipelineRuns: { totalCount: number } }>('{ pipelineRuns { totalCount } }')).pipelineRuns
    .totalCount;

describe('triggerPipelineRun refuses with a sentence, and makes no run:', () => {
  test.each<[string, Record<string, unknown>, string, RegExp]>([
    ['an unknown pipeline', { pipelineUuid: 'goood' }, 'NotFoundError', /goood/],
    ['an empty name', { pipelineUuid: '' }, 'NotFoundError', /pipeline/],
    ['a name with NUL', { pipelineUuid: 'a\0b' }, 'NotFoundError', /pipeline/],
    ['a path for a name', { pipelineUuid: '../../etc' }, 'NotFoundError', /pipeline/],
    ['too much', { pipelineUuid: 'good', variables: { text: 'x'.repeat(66_000) } }, 'InvalidInputError', /64 KB/],
    ['text that no database keeps', { pipelineUuid: 'good', variables: { text: 'a\0b' } }, 'InvalidInputError', /NUL/],
    ['half a character', { pipelineUuid: 'good', variables: { text: '\ud83d' } }, 'InvalidInputError', /half/],
    ['a key with NUL', { pipelineUuid: 'good', idempotencyKey: 'a\0b' }, 'InvalidInputError', /NUL/],
    ['a trigger that is no id', { pipelineUuid: 'good', triggerId: 'xyz' }, 'NotFoundError', /trg_/],
    ['a trigger that is not there', { pipelineUuid: 'good', triggerId: 'trg_999' }, 'NotFoundError', /trg_999/],
    ['an endless key', { pipelineUuid: 'good', idempotencyKey: 'k'.repeat(129) }, 'InvalidInputError', /128/],
    ['a broken pipeline', { pipelineUuid: 'broken' }, 'PipelineInvalidError', /broken/],
    ['a missing block file', { pipelineUuid: 'hollow' }, 'PipelineInvalidError', /hollow/],
  ])('%s', async (_what, input, type, message) => {
    const before = await countRuns();
    const answer = await triggered(input);
    expect(answer).toMatchObject({ __typename: type, message: expect.stringMatching(message) });
    expectSentence(answer.message);
    expect(await countRuns()).toBe(before);
  });

  test('a name that would reach the prototype of objects, or values too deep', async () => {
    const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;
    for (const [variables, says] of [
      ['{"a": {"__proto__": {"admin": true}}}', /__proto__/],
      ['{"a": {"constructor": {"prototype": 1}}}', /constructor/],
      [deep, /32 levels/],
    ] as const) {
      const { data, errors } = await post(
        `{"query": ${JSON.stringify(trigger)}, "variables": {"input": {"pipelineUuid": "good", "variables": ${variables}}}}`,
      );
      const answer = (data as { triggerPipelineRun?: Triggered } | undefined)?.triggerPipelineRun;
      const message = errors?.[0]?.message ?? answer?.message ?? '';
      expect(message).toMatch(says);
      expect(answer?.pipelineRun).toBeUndefined();
      expectSentence(message);
    }
  });

  test.each([
    ['a list', [1, 2]],
    ['a text', '{"a": 1}'],
    ['a number', 3],
  ])('%s in place of variables', async (_what, variables) => {
    const { data, errors } = await post(
      JSON.stringify({ query: trigger, variables: { input: { pipelineUuid: 'good', variables } } }),
    );
    expect(data ?? null).toBeNull();
    expect(errors?.[0]?.message).toMatch(/object/);
    expectSentence(errors![0]!.message);
  });
});

describe('ids and cursors of nothing', () => {
  test.each(['run_abc', 'xyz', '', 'run_', 'run_0', 'run_-1', 'blk_1', 'run_99999999999999999999', 'run_1 or 1=1'])(
    'the id "%s" finds nothing, and cancels and retries nothing',
    async (id) => {
      const { pipelineRun, node } = await server.query<{ pipelineRun: unknown; node: unknown }>(
        'query($id: ID!, $node: ID!) { pipelineRun(id: $id) { id } node(id: $node) { id } }',
        { id, node: `${id}x` },
      );
      expect([pipelineRun, node]).toEqual([null, null]);
      for (const verb of ['cancelPipelineRuns', 'retryPipelineRuns']) {
        const answer = await server.query<Record<string, { results: { error: { message: string } }[] }>>(
          `mutation($ids: [ID!]) { ${verb}(input: {selection: {ids: $ids}}) { error { message } results { error { code message } } } }`,
          { ids: [id] },
        );
        expect(answer[verb]!.results).toMatchObject([
          { error: { code: expect.stringMatching(/^(NOT_FOUND|INVALID_INPUT)$/) } },
        ]);
        expectSentence(answer[verb]!.results[0]!.error.message);
      }
    },
  );

  test.each(['rubbish', '', 'MXIxLjYuOQ', 'x'.repeat(5000), 'null', '😀'])(
    'the cursor "%.20s" is refused everywhere',
    async (after) => {
      for (const list of ['pipelineRuns', 'pipelines', 'blockRuns'] as const) {
        const { errors } = await post(
          JSON.stringify({
            query: `query($after: String) { ${list}(first: 2, after: $after) { nodes { id } } }`,
            variables: { after },
          }),
        );
        expect(errors?.[0]?.extensions?.code, list).toBe('INVALID_CURSOR');
        expectSentence(errors![0]!.message);
      }
      for (const stream of ['runEvents', 'blockRunStatusChanged', 'pipelineRunStatusChanged']) {
        const query = `subscription($after: String) { ${stream}(after: $after) { __typename } }`;
        for (const one of [follow(server, query, { after }), followEvents(server, query, { after })]) {
          await expect(
            one.until('anything', () => true),
            stream,
          ).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
          one.close();
        }
      }
    },
  );

  test('a cursor of one list does not turn the pages of another', async () => {
    await runToItsEnd('good');
    const { pipelineRuns, eventCursor } = await server.query<{
      pipelineRuns: { pageInfo: { endCursor: string } };
      eventCursor: string;
    }>('{ eventCursor pipelineRuns(first: 1) { pageInfo { endCursor } } }');
    for (const after of [pipelineRuns.pageInfo.endCursor, eventCursor]) {
      const { errors } = await post(
        JSON.stringify({
          query:
            'query($after: String) { pipelineRuns(first: 1, after: $after, filter: {status: {in: [FAILED]}}) { nodes { id } } }',
          variables: { after },
        }),
      );
      expect(errors?.[0]?.extensions?.code).toBe('INVALID_CURSOR');
    }
  });
});

test.each([
  '{ pipelineRuns(filter: {status: {in: [DONE]}}) { nodes { id } } }',
  '{ pipelineRuns(filter: {createdAt: {gte: "yesterday"}}) { nodes { id } } }',
  '{ pipelineRuns(filter: {createdAt: {gte: "2026-03-01T06:00:00"}}) { nodes { id } } }',
  '{ pipelineRuns(filter: {colour: "red"}) { nodes { id } } }',
  '{ pipelineRuns(first: 101) { nodes { id } } }',
  '{ pipelineRuns(first: -1) { nodes { id } } }',
  '{ pipelineRuns(first: 1, last: 1) { nodes { id } } }',
  '{ pipelineRuns(filter: {id: {in: ["xyz"]}}) { nodes { id } } }',
  '{ logs(filter: {blockRunId: {eq: "xyz"}}) { nodes { id } } }',
  '{ pipelineRuns { nodes { idd } } }',
  '{ pipelineRuns { nodes { id }',
  '',
])('%s gets data or a sentence', async (query) => {
  const { errors } = await post(JSON.stringify({ query }));
  for (const { message } of errors ?? []) expectSentence(message);
  if (!/xyz/.test(query)) expect(errors?.length).toBeGreaterThan(0);
});

test('a torn pipeline file says what is wrong and where, stops nothing else, and runs when it is mended', {
  timeout: 60_000,
}, async () => {
  const ask = async (uuid: string) =>
    (
      await server.query<{
        pipeline: {
          isRunnable: boolean;
          problems: { severity: string; file: string; line: number; message: string }[];
        };
      }>('query($uuid: String!) { pipeline(uuid: $uuid) { isRunnable problems { severity file line message } } }', {
        uuid,
      })
    ).pipeline;
  const broken = await ask('broken');
  expect(broken).toMatchObject({
    isRunnable: false,
    problems: [{ severity: 'ERROR', file: 'pipelines/broken/metadata.yaml', line: expect.any(Number) }],
  });
  expect(broken.problems[0]!.line).toBeGreaterThanOrEqual(3);
  expectSentence(broken.problems[0]!.message);
  expect((await triggered({ pipelineUuid: 'broken' })).problems).toMatchObject([
    { file: 'pipelines/broken/metadata.yaml', line: broken.problems[0]!.line },
  ]);
  const hollow = await ask('hollow');
  expect(hollow).toMatchObject({
    isRunnable: false,
    problems: [{ severity: 'ERROR', message: expect.stringContaining('custom/gone.ts') }],
  });
  expect(await runToItsEnd('good')).toBe('COMPLETED');

  const runs = await countRuns();
  writeFiles(folder, { 'pipelines/broken/metadata.yaml': whole, 'custom/gone.ts': 'export default () => "found";' });
  const mendedAt = performance.now();
  for (const uuid of ['broken', 'hollow'])
    await until(`${uuid} is whole`, async () => (await ask(uuid)).isRunnable, 5000);
  process.stdout.write(`mended files are seen after ${Math.round(performance.now() - mendedAt)} ms\n`);
  expect(await runToItsEnd('broken')).toBe('COMPLETED');
  expect(await runToItsEnd('hollow')).toBe('COMPLETED');

  // Torn again, its past stays.
  writeFiles(folder, { 'pipelines/broken/metadata.yaml': torn });
  await until('broken is torn', async () => !(await ask('broken')).isRunnable, 5000);
  expect(await countRuns()).toBe(runs + 2);
  expect(await runToItsEnd('good')).toBe('COMPLETED');
});

describe('a server that can not start says so in a sentence, and leaves nothing running:', () => {
  const elsewhere = (name: string) => join(project.dir, name);

  async function refused(args: readonly string[], code: number, says: RegExp): Promise<string> {
    const said = await penstock(['serve', ...args]);
    expect(said).toMatchObject({ code, out: '' });
    expect(said.error).toMatch(says);
    expectSentence(said.error);
    expect(processesNaming(project.dir, descendants(server.pid))).toEqual([]);
    return said.error;
  }

  test('a taken port, before anything is made', { timeout: 60_000 }, async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    await refused(
      [folder, '--data-dir', elsewhere('unmade'), '--port', String(port)],
      1,
      new RegExp(`Port ${port} .* taken`),
    );
    holder.close();
    expect(existsSync(elsewhere('unmade'))).toBe(false);
  });

  test('an address of another machine, or the whole network as administrator, before anything is made', async () => {
    const flags = ['--data-dir', elsewhere('unmade'), '--port', '0', '--host'];
    await refused([folder, ...flags, '203.0.113.1'], 1, /203\.0\.113\.1 is not an address of this machine/);
    await refused([folder, ...flags, '0.0.0.0', '--no-auth'], 64, /loopback only/);
    expect(existsSync(elsewhere('unmade'))).toBe(false);
  });

  test('a data directory that another server uses', async () => {
    await refused([folder, '--data-dir', data, '--port', '0'], 1, new RegExp(`${server.pid}`));
    expect(await runToItsEnd('good')).toBe('COMPLETED');
  });

  test.each<[string, (cluster: string) => void, RegExp]>([
    ['PG_VERSION is empty', (cluster) => truncateSync(join(cluster, 'PG_VERSION'), 0), /damaged.*PG_VERSION/],
    ['PG_VERSION is missing', (cluster) => rmSync(join(cluster, 'PG_VERSION')), /damaged.*PG_VERSION/],
    ['pg_control is torn', (cluster) => truncateSync(join(cluster, 'global/pg_control'), 10), /pg_control/],
    ['its tables are missing', (cluster) => rmSync(join(cluster, 'base'), { recursive: true }), /can't be used/],
  ])('a corrupt data directory: %s', { timeout: 60_000 }, async (_what, spoil, says) => {
    const corrupt = elsewhere('corrupt');
    if (!existsSync(elsewhere('spare'))) {
      const spare = await startServerProcess(folder, elsewhere('spare'), ['--slots', '2']);
      spare.kill('SIGINT');
      await spare.gone;
    }
    rmSync(corrupt, { recursive: true, force: true });
    execFileSync('cp', ['-a', elsewhere('spare'), corrupt]);
    writeFileSync(join(corrupt, 'outputs-of-mine'), 'precious');
    const cluster = join(corrupt, 'postgres/data');
    spoil(cluster);
    const before = filesOf(join(cluster, 'pg_wal'));
    const control = readFileSync(join(cluster, 'global/pg_control'));
    await refused([folder, '--data-dir', corrupt, '--port', '0'], 1, says);
    if (!/tables/.test(_what)) {
      expect(filesOf(join(cluster, 'pg_wal'))).toEqual(before);
      expect(readFileSync(join(cluster, 'global/pg_control'))).toEqual(control);
    }
    expect(readFileSync(join(corrupt, 'outputs-of-mine'), 'utf8')).toBe('precious');
  });

  test('the data directory of somebody else', async () => {
    const foreign = elsewhere('foreign');
    mkdirSync(join(foreign, 'postgres'), { recursive: true });
    writeFileSync(join(foreign, 'postgres/notes.txt'), 'mine');
    const documents = elsewhere('documents');
    mkdirSync(documents);
    writeFileSync(join(documents, 'thesis.txt'), 'years of work');
    const other = elsewhere('other');
    mkdirSync(other);
    writeFileSync(join(other, 'PG_VERSION'), '16\n');
    for (const [directory, says] of [
      [foreign, /notes\.txt/],
      [documents, /thesis\.txt/],
      [other, /another Postgres \(version 16\)/],
    ] as const) {
      const before = filesOf(directory);
      await refused([folder, '--data-dir', directory, '--port', '0'], 1, says);
      expect(filesOf(directory)).toEqual(before);
    }
    const file = elsewhere('a-file');
    writeFileSync(file, '');
    await refused([folder, '--data-dir', file, '--port', '0'], 1, /a file is in its place/);
  });

  test('a database that is not there', async () => {
    const secret = 'postgres://ada:sesame@127.0.0.1:1/penstock';
    const said = await refused(
      [folder, '--data-dir', elsewhere('none'), '--port', '0', '--database-url', secret],
      1,
      /127\.0\.0\.1:1\/penstock/,
    );
    expect(said).not.toContain('sesame');
    const { connection, drop } = await createEmptyDatabase();
    const url = `postgres://${connection.user}@localhost/nowhere_${Date.now()}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`;
    await refused(
      [folder, '--data-dir', elsewhere('none'), '--port', '0', '--database-url', url],
      1,
      /nowhere_\d+.*does not exist/,
    );
    await drop();
  });

  test('a folder that is no project', async () => {
    for (const [place, says] of [
      [join(project.dir, 'nowhere'), /There is no folder/],
      [project.dir, /Did you mean .*\/project\?/],
      [join(folder, 'metadata.yaml'), /is a file/],
    ] as const) {
      const directory = elsewhere('untouched');
      await refused([place, '--data-dir', directory, '--port', '0'], 1, says);
      expect(readdirSync(project.dir)).not.toContain('untouched');
    }
  });

  test('everybody on the network as administrator', { timeout: 60_000 }, async () => {
    await refused(
      [folder, '--data-dir', elsewhere('spare'), '--port', '0', '--host', '0.0.0.0', '--no-auth'],
      64,
      /loopback only/,
    );
  });

  test('flags that can not be meant, all of them at once', async () => {
    const said = await penstock(
      ['serve', folder, '--port', 'http', '--slots', '0', '--role', 'cook', '--database-url', 'mysql://ada:sesame@x/y'],
      { PENSTOCK_DRAIN: 'long', PENSTOCK_LOG_LEVEL: 'loud' },
    );
    expect(said.code).toBe(64);
    expect(
      said.error
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0])
        .sort(),
    ).toEqual(['--database-url', '--port', '--role', '--slots', 'PENSTOCK_DRAIN', 'PENSTOCK_LOG_LEVEL']);
    expect(said.error).not.toContain('sesame');
    expect(await penstock(['serve', folder, '--prot', '1'])).toMatchObject({
      code: 64,
      error: expect.stringContaining('--port'),
    });
  });
});

/** Path and size of every file below a folder. */
function filesOf(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((path) => `${path} ${statSync(join(directory, path)).size}`)
    .sort();
}

/** The command lines of all living processes that name a place, but for some. */
function processesNaming(place: string, known: readonly number[]): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && !known.includes(Number(name)))
    .map((name) => commandOf(Number(name)))
    .filter((command) => command.includes(place));
}
