import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Fence, fencesOf } from '../docs/fences.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { follow, type Stream } from '../support/stranger.ts';
import { until } from '../support/waiting.ts';

// Somebody who has just cloned the project goes through the README's tour: every document, every command, word for word.

const root = fileURLToPath(new URL('../..', import.meta.url));
const fences = fencesOf(readFileSync(join(root, 'README.md'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'penstock-tour-'));
const dataDir = join(folder, 'data');
const used = new Set<Fence>();

let server: ServerProcess;
/** What the visitor has copied from earlier answers. */
const copied = { runId: '', cursor: '' };

beforeAll(async () => {
  server = await startServerProcess(join(root, 'examples'), dataDir);
  // The visitor needs longer to read the first page than the first runs need to end.
  await until('the first runs have ended', async () => {
    const { pipelineRuns } = await server.query<Runs>(
      '{ pipelineRuns(first: 10, filter: { pipelineUuid: { notIn: ["slow_countdown"] } }) { nodes { isTerminal } } }',
    );
    return pipelineRuns.nodes.length === 4 && pipelineRuns.nodes.every((run) => run.isTerminal);
  });
}, 60_000);

afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe('the tour of the README', { timeout: 60_000 }, () => {
  test('1: looks around', async () => {
    const { pipelines, pipelineRuns } = await ask<
      Runs & { pipelines: { nodes: { uuid: string; lastRun: { id: string } }[] } }
    >('LookAround');
    expect(pipelines.nodes.map((pipeline) => pipeline.uuid)).toEqual([
      'flaky_delivery',
      'iowa_energy',
      'seattle_weather',
      'slow_countdown',
      'us_jobs',
    ]);
    expect(pipelines.nodes.every((pipeline) => pipeline.lastRun.id.startsWith('run_'))).toBe(true);
    expect(pipelineRuns.nodes.length).toBeGreaterThanOrEqual(5);
  });

  test('2: watches a run from its start to its end', async () => {
    const stream = subscribe('WatchSeattle');
    await stream.until('it follows', (message) => message.__typename === 'Subscribed');
    const { triggerPipelineRun } = await ask<{ triggerPipelineRun: { pipelineRun: { variables: object } } }>(
      'StartSeattle',
    );
    expect(triggerPipelineRun.pipelineRun.variables).toMatchObject({ first_year: 2014 });
    await stream.until('the last block', ({ blockUuid, to }) => {
      return blockUuid === 'export_weather_report' && to === 'COMPLETED';
    });
    const moves = (block: string) => stream.messages.filter((m) => m.blockUuid === block).map((m) => m.to);
    for (const block of ['load_weather', 'clean_weather', 'summarise_weather', 'export_weather_report']) {
      expect(moves(block).slice(-3)).toEqual(['QUEUED', 'RUNNING', 'COMPLETED']);
    }
  });

  test('3: sees what a block left behind', async () => {
    await runHasEnded();
    const { blockRuns } = await ask<{ blockRuns: { nodes: object[] } }>('WhatItLeft');
    expect(blockRuns.nodes).toMatchObject([
      {
        status: 'COMPLETED',
        // The days of 2014 and 2015.
        outputs: [{ kind: 'TABLE', rowCount: 730, rows: [['2014-01-01'], {}, {}].map(() => expect.any(Array)) }],
        logs: { nodes: [{ level: 'INFO', message: '730 of 1461 days are from 2014 on' }] },
        tests: [{ passed: true }, { passed: true }],
        resourceUsage: { cpuTimeMs: expect.any(Number), maxRssBytes: expect.any(Number) },
      },
    ]);
  });

  test('4: lets one fail and mends it', async () => {
    await ask('StartFlaky');
    await runHasEnded();
    const { pipelineRun: failed } = await ask<WhatHappened>('WhatHappened');
    expect(failed).toMatchObject({ status: 'FAILED', attempt: 1, statusReason: { code: 'BLOCK_FAILED' } });
    expect(failed.error).toMatchObject({ blockUuid: 'deliver_digest', type: 'ConnectionError' });
    expect(attemptsOf(failed)).toEqual({
      load_temperatures: 1,
      write_digest: 1,
      deliver_digest: 2,
      confirm_delivery: 0,
    });

    const { retryPipelineRuns } = await ask<{ retryPipelineRuns: object }>('Mend');
    expect(retryPipelineRuns).toMatchObject({ results: [{ pipelineRun: { attempt: 2 }, error: null }] });
    await runHasEnded();
    const { pipelineRun: mended } = await ask<WhatHappened>('WhatHappened');
    expect(mended).toMatchObject({ status: 'COMPLETED', attempt: 2, error: null });
    expect(attemptsOf(mended)).toEqual({
      load_temperatures: 1,
      write_digest: 1,
      deliver_digest: 3,
      confirm_delivery: 1,
    });
  });

  test('5: misses nothing between a query and a subscription', async () => {
    await ask('StateAndCursor');
    await ask('StartSeattle');
    await runHasEnded();
    const stream = subscribe('FollowFrom');
    await stream.until('the end of the run', ({ pipelineRunId, kind, to }) => {
      return pipelineRunId === copied.runId && kind === 'RUN_STATUS_CHANGED' && to?.toUpperCase() === 'COMPLETED';
    });
    const history = stream.messages.filter((message) => message.pipelineRunId === copied.runId);
    expect(history[0]?.kind).toBe('RUN_CREATED');
    expect(history.map((message) => message.seq)).toEqual(history.map((_, index) => index + 1));
  });

  test('6: changes their mind', async () => {
    await ask('StartCountdown');
    await until('the countdown runs', async () => (await statusOf(copied.runId)) === 'RUNNING');
    const { cancelPipelineRuns } = await ask<{ cancelPipelineRuns: object }>('CancelCountdown');
    expect(cancelPipelineRuns).toMatchObject({
      results: [{ pipelineRun: { cancelRequestedAt: expect.any(String) }, error: null }],
    });
    await runHasEnded();
    const { pipelineRun } = await ask<{ pipelineRun: object }>('HowItEnded');
    expect(pipelineRun).toMatchObject({
      status: 'CANCELLED',
      statusReason: { code: 'CANCELLED_BY_USER', actor: expect.any(String) },
      completedAt: expect.any(String),
    });
  });

  test('7: does the same from a shell', async () => {
    const { output, code } = await shell('npm run penstock').ended;
    expect([code, output]).toEqual([0, expect.stringMatching(/run_\d+ completed/)]);
    expect(output).toContain('it failed, as it was told to');
    expect(output).toMatch(/flaky_delivery +failed/);
  });

  test('7: starts a run with curl, and never twice', async () => {
    for (const wasReplayed of [false, true]) {
      const { output } = await shell('my-first-key').ended;
      expect(JSON.parse(output)).toMatchObject({ data: { triggerPipelineRun: { wasReplayed } } });
    }
  });

  test.each([
    ['an event stream', () => shell('text/event-stream')],
    ['a WebSocket', () => script('graphql-ws')],
  ])('7: follows runs over %s', async (_name, start) => {
    const program = start();
    await program.says(/Subscribed/);
    await ask('StartSeattle');
    await program.says(/seattle_weather[^\n]*(\n[^\n]*){0,4}COMPLETED/i);
    program.stop();
  });

  test('there is nothing in the README that this visitor has not tried', () => {
    const untried = fences.filter((fence) => !used.has(fence) && !isForOtherTests(fence));
    expect(untried.map((fence) => `README.md:${fence.line} ${fence.text.split('\n')[0]}`)).toEqual([]);
  });
});

type Runs = { pipelineRuns: { nodes: { id: string; isTerminal?: boolean }[] } };
type WhatHappened = {
  pipelineRun: { error: object | null; blockRuns: { nodes: { blockUuid: string; attempts: object[] }[] } };
};

const attemptsOf = ({ blockRuns }: WhatHappened['pipelineRun']) =>
  Object.fromEntries(blockRuns.nodes.map((block) => [block.blockUuid, block.attempts.length]));

/** Installing and starting, and a project that only its reader has. */
function isForOtherTests({ language, text }: Fence): boolean {
  return language === 'json' || (language === 'sh' && /^npm ci|path\/to\/your/.test(text));
}

/** The first block of a language that holds the text, now counted as tried. */
function fence(language: string, text: string): Fence {
  const found = fences.find((candidate) => candidate.language === language && candidate.text.includes(text));
  if (!found) throw new Error(`README.md has no ${language} block with "${text}".`);
  used.add(found);
  return found;
}

/** A document by its name, and the variables in the block that follows it, with what the visitor puts in for the ids. */
function documentOf(name: string): { readonly query: string; readonly variables: Record<string, unknown> } {
  const document = fence('graphql', ` ${name}`);
  const next = fences[fences.indexOf(document) + 1];
  const variables = next?.language === 'json' ? JSON.parse(next.text) : {};
  if ('id' in variables) variables.id = copied.runId;
  if ('after' in variables) variables.after = copied.cursor;
  return { query: document.text, variables };
}

async function ask<Data>(name: string): Promise<Data> {
  const { query, variables } = documentOf(name);
  const data = await server.query<Data & Partial<Started>>(query, variables);
  copied.runId = data.triggerPipelineRun?.pipelineRun?.id ?? copied.runId;
  copied.cursor = data.eventCursor ?? copied.cursor;
  return data;
}

type Started = { eventCursor: string; triggerPipelineRun: { pipelineRun?: { id: string } } };

function subscribe(name: string): Stream {
  const { query, variables } = documentOf(name);
  const stream = follow(server, query, variables);
  onTestFinished(() => stream.close());
  return stream;
}

async function statusOf(id: string): Promise<string | undefined> {
  const { pipelineRun } = await server.query<{ pipelineRun: { status: string } | null }>(
    'query ($id: ID!) { pipelineRun(id: $id) { status } }',
    { id },
  );
  return pipelineRun?.status;
}

const runHasEnded = () =>
  until(`${copied.runId} has ended`, async () =>
    /COMPLETED|FAILED|CANCELLED/.test((await statusOf(copied.runId)) ?? ''),
  );

type Program = {
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  /** Waits until its output matches. */
  readonly says: (pattern: RegExp) => Promise<unknown>;
  readonly stop: () => void;
};

const shell = (text: string) => start('sh', ['-c', here(fence('sh', text))], root);

/** Saves a script beside a node_modules, as the README asks. */
function script(text: string): Program {
  const file = join(folder, 'watch.mjs');
  writeFileSync(file, here(fence('js', text)));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return start(process.execPath, [file], folder);
}

/** The page speaks of the default port and data directory; this server has others. */
const here = ({ text }: Fence) =>
  text
    .replaceAll('.penstock/server.json', join(dataDir, 'server.json'))
    .replaceAll('http://127.0.0.1:4800', server.url);

function start(command: string, args: readonly string[], cwd: string): Program {
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PENSTOCK_DATA_DIR: dataDir },
  });
  const stop = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  onTestFinished(stop);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    ended: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, output }));
    }),
    says: (pattern) => until(`the program says ${pattern}`, () => pattern.test(output)),
    stop,
  };
}
