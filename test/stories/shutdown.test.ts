import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { commandOf, descendants, isAlive } from '../support/processes.ts';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { follow, type Stream } from '../support/stranger.ts';
import { until } from '../support/waiting.ts';

// Blocks that say in a file when they begin and how they are told to stop, and that end well when a gate is opened. The Python
// ones have a child that no polite signal ends; one of them does not listen to it either.
const python = `
import os, signal, subprocess, time
log = os.open(os.environ['SHUTDOWN_LOG'], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@custom
def work(*args, **kwargs):
    if kwargs['block_uuid'] == 'stubborn':
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'], stdout=subprocess.PIPE)
    child.stdout.readline()
    os.write(log, f"python begins {child.pid}\\n".encode())
    while not os.path.exists(os.environ['SHUTDOWN_GATE']):
        time.sleep(0.02)
    child.kill()
    return 'well'
`;

const typescript = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default async function work({ signal }) {
  appendFileSync(process.env.SHUTDOWN_LOG, \`typescript begins \${process.pid}\\n\`);
  while (!existsSync(process.env.SHUTDOWN_GATE)) {
    await pause(20);
    if (signal.aborted) {
      appendFileSync(process.env.SHUTDOWN_LOG, 'typescript cleans up\\n');
      throw signal.reason;
    }
  }
  return 'well';
}
`;

const project = writeProject({
  'pipelines/patient/metadata.yaml': `
blocks:
- {uuid: in_python, type: custom, language: python, upstream_blocks: []}
- {uuid: in_typescript, type: custom, language: typescript, upstream_blocks: []}
- {uuid: stubborn, type: custom, language: python, upstream_blocks: []}
- {uuid: at_last, type: custom, language: typescript, upstream_blocks: [in_python, in_typescript, stubborn]}
`,
  'custom/in_python.py': python,
  'custom/stubborn.py': python,
  'custom/in_typescript.ts': typescript,
  'custom/at_last.ts': 'export default () => "the end";',
});
const log = join(project.dir, 'story.log');
const gate = join(project.dir, 'gate');
const data = join(project.dir, 'data');
process.env.SHUTDOWN_LOG = log;
process.env.SHUTDOWN_GATE = gate;
let server: ServerProcess | null = null;

/** The server that the story before left running, or a new start on the same data. */
async function running(): Promise<ServerProcess> {
  server ??= await startServerProcess(join(project.dir, 'project'), data, ['--slots', '4', '--grace', '1']);
  return server;
}

beforeEach(() => {
  rmSync(log, { force: true });
  rmSync(gate, { force: true });
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') process.stdout.write(`the server printed:\n${server?.printed()}\n`);
});
afterAll(async () => {
  server?.kill('SIGKILL');
  await server?.gone;
  project.remove();
});

const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []);

/** Starts a run, and waits until its blocks of both languages are at work. Answers with everybody who works for the server. */
async function startPatientRun(
  server: ServerProcess,
): Promise<{ readonly id: string; readonly family: readonly number[] }> {
  const before = lines().length;
  const { triggerPipelineRun: answer } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    'mutation { triggerPipelineRun(input: {pipelineUuid: "patient"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }',
  );
  await until('all three blocks are at work', () => lines().length >= before + 3);
  return { id: answer.pipelineRun.id, family: descendants(server.pid) };
}

type Run = {
  readonly status: string;
  readonly statusReason: { readonly code: string };
  readonly events: { readonly nodes: readonly { readonly kind: string }[] };
  readonly blockRuns: {
    readonly nodes: readonly {
      readonly blockUuid: string;
      readonly status: string;
      readonly attempts: readonly {
        readonly status: string;
        readonly statusReason: { readonly code: string } | null;
      }[];
    }[];
  };
};

async function runOf(server: ServerProcess, id: string): Promise<Run> {
  const { pipelineRun } = await server.query<{ pipelineRun: Run }>(
    `query($id: ID!) { pipelineRun(id: $id) { status statusReason { code } events(first: 100) { nodes { kind } }
       blockRuns { nodes { blockUuid status attempts { status statusReason { code } } } } } }`,
    { id },
  );
  return pipelineRun;
}

/** The events of one run from its beginning. */
async function watch(server: ServerProcess, id: string): Promise<Stream> {
  const stream = follow(
    server,
    `subscription($filter: RunEventFilter) { runEvents(filter: $filter) { __typename
       ... on RunEvent { cursor seq kind blockUuid from to at reason { code } pipelineRunId } } }`,
    { filter: { pipelineRunId: { eq: id } } },
  );
  onTestFinished(stream.close);
  await stream.until('Subscribed', ({ __typename }) => __typename === 'Subscribed');
  return stream;
}

const cancel = (server: ServerProcess, id: string) =>
  server.query<{ cancelPipelineRuns: { results: unknown[] } }>(
    `mutation($ids: [ID!]) { cancelPipelineRuns(input: {selection: {ids: $ids}, reason: "enough"}) {
       results { error { __typename code message } pipelineRun { status } } } }`,
    { ids: [id] },
  );

const completedRun = async (server: ServerProcess, id: string): Promise<Run> =>
  until('the run is completed', async () => {
    const run = await runOf(server, id);
    return run.status === 'COMPLETED' && run;
  });

test('a cancelled run stops what runs, politely and then not, and ends when nothing of it lives any more', {
  timeout: 60_000,
}, async () => {
  const server = await running();
  const { id } = await startPatientRun(server);
  const children = lines()
    .flatMap((line) => line.match(/^python begins (\d+)/)?.[1] ?? [])
    .map(Number);
  const stream = await watch(server, id);
  const { cancelPipelineRuns } = await cancel(server, id);
  expect(cancelPipelineRuns.results).toEqual([{ error: null, pipelineRun: { status: 'RUNNING' } }]);
  await stream.until('its end', ({ kind, to }) => kind === 'RUN_STATUS_CHANGED' && to === 'CANCELLED');
  expect(children).toHaveLength(2);
  expect(children.filter(isAlive), 'children that ignore SIGTERM').toEqual([]);

  expect(lines()).toContain('typescript cleans up');
  const events = stream.messages.filter(({ __typename }) => __typename === 'RunEvent');
  // Half a second of waiting for the stubborn one is told as well.
  const changes = events.filter(({ kind }) => kind !== 'BLOCKER_CHANGED');
  const moves = changes.map(({ kind, blockUuid, to }) => (blockUuid ? `${blockUuid} ${to}` : to ? `run ${to}` : kind));
  expect(moves.slice(0, 2)).toEqual(['CANCEL_REQUESTED', 'at_last CANCELLED']);
  expect(moves[2]).toBe('in_typescript CANCELLED');
  // Both end when the grace is over: of one a child does not listen, of the other it does not listen itself.
  expect(moves.slice(3, 5).sort()).toEqual(['in_python CANCELLED', 'stubborn CANCELLED']);
  expect(moves.slice(5)).toEqual(['run CANCELLED']);
  const took = Date.parse(events.at(-1)!.at) - Date.parse(events[0]!.at);
  expect(took, 'the grace of a second was given').toBeGreaterThanOrEqual(950);
  expect(await runOf(server, id)).toMatchObject({ status: 'CANCELLED', statusReason: { code: 'CANCELLED_BY_USER' } });
  const again = await cancel(server, id);
  expect(again.cancelPipelineRuns.results).toMatchObject([
    { error: { __typename: 'InvalidStateError', message: expect.stringContaining('already cancelled') } },
  ]);
});

test('Ctrl-C ends everything within five seconds, and the next start runs again what it interrupted', {
  timeout: 60_000,
}, async () => {
  const first = await running();
  const { id, family } = await startPatientRun(first);
  expect(family.some((pid) => commandOf(pid).includes('postgres'))).toBe(true);
  const asked = performance.now();
  first.kill('SIGINT');
  expect(await first.gone).toBe(0);
  server = null;
  expect(performance.now() - asked).toBeLessThan(5000);
  expect(family.filter(isAlive).map(commandOf)).toEqual([]);
  expect(existsSync(join(data, 'server.json'))).toBe(false);
  expect(first.printed()).toMatch(/\nstopped\n$/);

  writeFileSync(gate, '');
  const second = await running();
  const run = await completedRun(second, id);
  for (const block of run.blockRuns.nodes.filter(({ blockUuid }) => blockUuid !== 'at_last')) {
    expect(block.attempts, block.blockUuid).toMatchObject([
      { statusReason: { code: 'SHUTDOWN' } },
      { status: 'COMPLETED', statusReason: { code: 'SUCCEEDED' } },
    ]);
  }
  expect(run.events.nodes.map(({ kind }) => kind)).not.toContain('BLOCK_WORKER_LOST');
});

test('SIGTERM lets running blocks come to their end, and the next start goes on behind them', {
  timeout: 60_000,
}, async () => {
  const first = await running();
  const { id, family } = await startPatientRun(first);
  first.kill('SIGTERM');
  await until('it begins to stop', () => first.printed().includes('stopping'));
  writeFileSync(gate, '');
  expect(await first.gone).toBe(0);
  server = null;
  expect(family.filter(isAlive).map(commandOf)).toEqual([]);

  const run = await completedRun(await running(), id);
  for (const block of run.blockRuns.nodes)
    expect(block.attempts, block.blockUuid).toMatchObject([
      { status: 'COMPLETED', statusReason: { code: 'SUCCEEDED' } },
    ]);
});

test('a second Ctrl-C waits for nothing, and still leaves nothing behind', { timeout: 60_000 }, async () => {
  const first = await running();
  const { family } = await startPatientRun(first);
  first.kill('SIGINT');
  await until('it begins to stop', () => first.printed().includes('stopping'));
  // Pressed again and again: what comes at once is taken for the same one, which npm passes on.
  await until('it is gone', () => {
    first.kill('SIGINT');
    return !isAlive(first.pid);
  });
  expect(await first.gone).toBe('SIGKILL');
  server = null;
  await until('nothing of it lives', () => !family.some(isAlive), 1000);
});
