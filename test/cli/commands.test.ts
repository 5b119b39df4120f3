import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { penstock } from '../support/run-cli.ts';
import { cli, type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

const block = (uuid: string, upstream = '') =>
  `- {uuid: ${uuid}, type: custom, language: typescript, upstream_blocks: [${upstream}]}\n`;
const project = writeProject({
  'pipelines/parts/metadata.yaml': `blocks:\n${block('begin')}${block('work', 'begin')}${block('report', 'work')}`,
  'pipelines/torn/metadata.yaml': 'blocks: [',
  'pipelines/endless/metadata.yaml': `blocks:\n${block('wait')}`,
  'custom/begin.ts': 'export default ({ variables }) => variables;',
  'custom/work.ts':
    'export default ({ variables }) => { if (variables.fail) throw new TypeError("it was asked to fail"); return 1; };',
  'custom/report.ts': 'export default () => "the end";',
  'custom/wait.ts': `import { setTimeout as pause } from 'node:timers/promises';
export default ({ signal }) => pause(600_000, undefined, { signal });`,
});
const data = join(project.dir, 'data');
const here = ['--data-dir', data];
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(join(project.dir, 'project'), data, ['--slots', '2']);
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

const idIn = (text: string) => /run_\d+/.exec(text)?.[0] ?? '';

async function variablesOf(id: string): Promise<Record<string, unknown>> {
  const { pipelineRun } = await server.query<{ pipelineRun: { variables: Record<string, unknown> } }>(
    'query($id: ID!) { pipelineRun(id: $id) { variables } }',
    { id },
  );
  return pipelineRun.variables;
}

describe('penstock serve', () => {
  test('says last where a browser finds it, and tells local tools and nobody else how to get in', () => {
    expect(server.printed().trimEnd().split('\n').at(-1)).toMatch(
      /^ready http:\/\/127\.0\.0\.1:\d+\/login\?code=[\w-]{20,}$/,
    );
    const path = join(data, 'server.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ url: server.url, token: server.token, pid: server.pid });
    expect(Number(new URL(server.url).port)).toBeGreaterThan(0);
    expect(server.printed()).not.toContain(server.token);
  });
});

describe('penstock run', () => {
  test('--wait lists each change of a block once, in order, and ends with 0 when the run is completed', async () => {
    const { code, out, error } = await penstock(['run', 'parts', '--wait', ...here]);
    const id = idIn(out);
    expect(out.trimEnd().split('\n')).toEqual([
      `${id} started`,
      ...['begin ', 'work  ', 'report'].flatMap((uuid) =>
        ['queued', 'running', 'completed'].map((status) => `  ${uuid}  ${status}`),
      ),
      expect.stringMatching(new RegExp(`^${id} completed: `)),
    ]);
    expect({ code, error }).toEqual({ code: 0, error: '' });
  });

  test('--wait ends with 1 when the run failed, and shows where', async () => {
    const { code, out, error } = await penstock(['run', 'parts', '--wait', '--var', 'fail=true', ...here]);
    expect(code).toBe(1);
    expect(out).toMatch(/\n {2}work {4}failed: .*it was asked to fail\n {2}report {2}upstream failed/);
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^run_\d+ failed: .*work/);
    expect(error).toMatch(/TypeError: it was asked to fail\n.*work\.ts/);
    expect(error).not.toContain('typescript-child');
  });

  test('--wait ends with 2 when somebody cancels the run', async () => {
    const waiting = penstock(['run', 'endless', '--wait', ...here]);
    const id = await until('it runs', async () => {
      const { pipelineRuns } = await server.query<{
        pipelineRuns: { nodes: { id: string; blockRunCounts: { running: number } }[] };
      }>('{ pipelineRuns(filter: {pipelineUuid: {eq: "endless"}}) { nodes { id blockRunCounts { running } } } }');
      const [run] = pipelineRuns.nodes;
      return run?.blockRunCounts.running === 1 && run.id;
    });
    await server.query(
      'mutation($ids: [ID!]) { cancelPipelineRuns(input: {selection: {ids: $ids}, reason: "enough"}) { error { message } } }',
      {
        ids: [id],
      },
    );
    const { code, out } = await waiting;
    expect(code).toBe(2);
    expect(out.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${id} cancelled: .*enough`));
  });

  test('Ctrl-C stops watching, not the run', async () => {
    const watcher = spawn(cli.command, [cli.main, 'run', 'endless', '--wait', ...here], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    watcher.stdout.on('data', (chunk) => {
      out += chunk;
    });
    const gone = new Promise((resolve) => watcher.once('close', resolve));
    await until('it is watched', () => out.includes('running'));
    watcher.kill('SIGINT');
    expect(await gone).toBe(130);
    const id = idIn(out);
    expect(out).toMatch(new RegExp(`${id} goes on`));
    const { pipelineRun } = await server.query<{ pipelineRun: { status: string } }>(
      'query($id: ID!) { pipelineRun(id: $id) { status } }',
      { id },
    );
    expect(pipelineRun.status).toBe('RUNNING');
  });

  test('without --wait ends at once with 0; the same --key gives the same run again, and may wait for it', async () => {
    const first = await penstock(['run', 'parts', '--key', 'monday', ...here]);
    expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^run_\d+ started\n$/) });
    const id = idIn(first.out);
    const again = await penstock(['run', 'parts', '--key', 'monday', '--wait', ...here]);
    expect(again).toMatchObject({ code: 0, error: '' });
    expect(again.out.split('\n')[0]).toBe(`${id} was started before with this key`);
    expect(again.out.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${id} completed`));
    const other = await penstock(['run', 'parts', '--key', 'monday', '--var', 'a=1', ...here]);
    expect(other).toMatchObject({ code: 3, out: '' });
  });

  test('--var takes JSON where it is JSON, else text, and everything behind the first =', async () => {
    const given = [
      'n=3',
      'yes=true',
      'list=[1,2]',
      'object={"a": {"b": null}}',
      'text=hello',
      'sum=1=1',
      'empty=',
      'quoted="3"',
      'n=4',
    ];
    const { out } = await penstock(['run', 'parts', ...given.flatMap((text) => ['--var', text]), ...here]);
    expect(await variablesOf(idIn(out))).toMatchObject({
      n: 4,
      yes: true,
      list: [1, 2],
      object: { a: { b: null } },
      text: 'hello',
      sum: '1=1',
      empty: '',
      quoted: '3',
    });
    const refused = await penstock(['run', 'parts', '--var', '__proto__={"admin": true}', ...here]);
    expect(refused).toMatchObject({ code: 3, out: '', error: expect.stringContaining('__proto__') });
  });

  test('ends with 3 when the server says no', async () => {
    expect(await penstock(['run', 'part', ...here])).toMatchObject({
      code: 3,
      out: '',
      error: expect.stringContaining('part'),
    });
    const torn = await penstock(['run', 'torn', ...here]);
    expect(torn).toMatchObject({ code: 3, error: expect.stringMatching(/pipelines\/torn\/metadata\.yaml:\d+ /) });
    const stranger = await penstock(['run', 'parts', '--url', server.url, '--token', 'wrong']);
    expect(stranger).toMatchObject({ code: 3, out: '', error: expect.stringContaining('--token or PENSTOCK_TOKEN') });
    expect(stranger.error.trim().split('\n')).toHaveLength(1);
  });

  test('ends with 4 when there is no server, and with 64 when the command can not be meant', async () => {
    const nowhere = join(project.dir, 'nowhere');
    expect(await penstock(['run', 'parts', '--data-dir', nowhere])).toMatchObject({
      code: 4,
      error: expect.stringContaining('penstock serve'),
    });
    expect(existsSync(nowhere)).toBe(false);
    expect(await penstock(['run', 'parts', '--url', 'http://127.0.0.1:1'])).toMatchObject({ code: 4 });
    for (const args of [
      ['run'],
      ['run', 'parts', '--var', 'x'],
      ['run', 'parts', '--url', 'nonsense'],
      ['walk'],
      ['runs', '--limit', '0'],
    ]) {
      const said = await penstock([...args, ...(args.includes('--url') ? [] : here)]);
      expect(said, args.join(' ')).toMatchObject({ code: 64, out: '' });
      expect(said.error, args.join(' ')).not.toMatch(/^\s+at /m);
    }
  });
});

describe('penstock runs', () => {
  test('lists the newest first, for people and for programs', async () => {
    const { out } = await penstock(['run', 'parts', '--wait', ...here]);
    const id = idIn(out);
    const lines = (
      await penstock(['runs', '--json', '--pipeline', 'parts', '--status', 'completed', '--limit', '2', ...here])
    ).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({
      id,
      pipelineUuid: 'parts',
      status: 'COMPLETED',
      isTerminal: true,
      blockRunCounts: { total: 3, completed: 3 },
    });
    expect(lines.length).toBeLessThanOrEqual(2);
    const table = await penstock(['runs', ...here]);
    expect(table.code).toBe(0);
    expect(table.out.split('\n')[0]).toMatch(
      new RegExp(`^${id} +parts +completed +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d +[\\d.]+ s +3/3 blocks$`),
    );
    expect(await penstock(['runs', '--pipeline', 'none', ...here])).toMatchObject({ code: 0, out: 'No runs.\n' });
    expect(await penstock(['runs', '--pipeline', 'none', '--json', ...here])).toMatchObject({ code: 0, out: '' });
  });

  test('finds the server by the environment, and by flags before it', async () => {
    const byDirectory = await penstock(['runs', '--limit', '1', '--json'], { PENSTOCK_DATA_DIR: data });
    const byUrl = await penstock(['runs', '--limit', '1', '--json'], {
      PENSTOCK_URL: server.url,
      PENSTOCK_TOKEN: server.token,
    });
    expect(byDirectory).toMatchObject({ code: 0, out: expect.stringMatching(/^{.*}\n$/) });
    expect(byUrl).toEqual(byDirectory);
    expect(
      await penstock(['runs', '--url', server.url, '--token', server.token], { PENSTOCK_URL: 'http://127.0.0.1:1' }),
    ).toMatchObject({ code: 0 });
  });
});
