import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descendants, isAlive } from '../support/processes.ts';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Blocks that write down when they begin and end, outside of the store, and that have children of their own. A child of the
// Python block keeps a core busy; both sorts of children outlive a polite end of their parent.
const python = `
import os, subprocess, sys, time
log = os.open(os.environ['STORY_LOG'], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@custom
def work(*args, **kwargs):
    name = f"{kwargs['pipeline_run_id']} {kwargs['block_uuid']} {os.getpid()}"
    subprocess.Popen(['sh', '-c', 'while :; do :; done'])
    subprocess.Popen(['sleep', '61'])
    subprocess.Popen(['sleep', '63'], start_new_session=True)
    os.write(log, f'start {name} {time.monotonic_ns()}\\n'.encode())
    time.sleep(kwargs['seconds'])
    os.write(log, f'end {name} {time.monotonic_ns()}\\n'.encode())
`;

const typescript = `
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default async function work({ variables, context }) {
  const name = \`\${variables.pipeline_run_id} \${context.blockUuid} \${process.pid}\`;
  spawn('sleep', ['62'], { stdio: 'ignore' });
  spawn('sleep', ['64'], { stdio: 'ignore', detached: true });
  appendFileSync(process.env.STORY_LOG, \`start \${name} \${process.hrtime.bigint()}\\n\`);
  await pause(variables.seconds * 1000);
  appendFileSync(process.env.STORY_LOG, \`end \${name} \${process.hrtime.bigint()}\\n\`);
}
`;

const pipeline = `
variables: {seconds: 1.5}
blocks:
- {uuid: first_py, type: custom, language: python, upstream_blocks: []}
- {uuid: first_ts, type: custom, language: typescript, upstream_blocks: []}
- {uuid: last_py, type: custom, language: python, upstream_blocks: [first_py, first_ts]}
- {uuid: last_ts, type: custom, language: typescript, upstream_blocks: [first_py, first_ts]}
`;

const project = writeProject({
  'pipelines/killed/metadata.yaml': pipeline,
  'custom/first_py.py': python,
  'custom/last_py.py': python,
  'custom/first_ts.ts': typescript,
  'custom/last_ts.ts': typescript,
});
const log = join(project.dir, 'story.log');
let server: ServerProcess;

beforeAll(() => {
  process.env.STORY_LOG = log;
});
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

const start = () => startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), ['--slots', '4']);

test('a server killed with -9 leaves no process, and after a new start every run ends with no attempt doubled', {
  timeout: 90_000,
}, async () => {
  server = await start();
  const runs: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { triggerPipelineRun } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
      'mutation { triggerPipelineRun(input: {pipelineUuid: "killed"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }',
    );
    runs.push(triggerPipelineRun.pipelineRun.id);
  }
  await until('four blocks run', () => lines().filter((line) => line.startsWith('start')).length >= 4);

  for (const moment of ['the first blocks run', 'later blocks run']) {
    const family = descendants(server.pid);
    expect(family.length, `processes while ${moment}`).toBeGreaterThan(8);
    const begun = lines().length;
    server.kill('SIGKILL');
    await server.gone;
    const killedAt = performance.now();
    await until('nothing of the killed server lives', () => family.every((pid) => !isAlive(pid)), 1000);
    expect(performance.now() - killedAt).toBeLessThan(1000);
    server = await start();
    await until('blocks run again', () => lines().length > begun + 1);
  }

  for (const id of runs) {
    await until(
      `${id} ends`,
      async () => {
        const { pipelineRun } = await server.query<{ pipelineRun: { isTerminal: boolean } }>(
          'query($id: ID!) { pipelineRun(id: $id) { isTerminal } }',
          { id },
        );
        return pipelineRun.isTerminal;
      },
      40_000,
    );
    const { pipelineRun } = await server.query<{
      pipelineRun: {
        status: string;
        blockRuns: { nodes: { status: string; attempts: { status: string; statusReason: { code: string } }[] }[] };
      };
    }>(
      'query($id: ID!) { pipelineRun(id: $id) { status blockRuns { nodes { status attempts { status statusReason { code } } } } } }',
      { id },
    );
    expect(pipelineRun.status).toBe('COMPLETED');
    for (const block of pipelineRun.blockRuns.nodes) {
      const lost = block.attempts.slice(0, -1);
      expect(lost.every((attempt) => attempt.statusReason.code === 'WORKER_LOST')).toBe(true);
    }
  }
  expectNoOverlap(lines());
});

/** Of one block of one run, an attempt may begin only when the one before has ended or its process was killed before: its start comes later than every line of the other. */
function expectNoOverlap(all: readonly string[]): void {
  const attempts = new Map<string, { pid: string; lines: number[] }[]>();
  all.forEach((line, place) => {
    const [, run, block, pid] = line.split(' ') as [string, string, string, string];
    const key = `${run} ${block}`;
    const known = attempts.get(key) ?? [];
    attempts.set(key, known);
    const attempt = known.find((one) => one.pid === pid);
    if (attempt && line.startsWith('end')) attempt.lines.push(place);
    else known.push({ pid, lines: [place] });
  });
  expect(attempts.size).toBe(12);
  for (const [key, list] of attempts) {
    const ends = list.filter((attempt) => attempt.lines.length === 2);
    // More than once only where the server was killed between an end and its commit: blocks run at least once.
    expect(ends.length, `${key} reached its end`).toBeGreaterThanOrEqual(1);
    for (let i = 1; i < list.length; i++) {
      expect(list[i]!.lines[0]!, `${key}: attempt ${i + 1} begins after attempt ${i}`).toBeGreaterThan(
        Math.max(...list[i - 1]!.lines),
      );
    }
    // What reached its end and was stored is the last: nothing ran again after a completion.
    expect(list.at(-1)).toBe(ends.at(-1));
  }
}

function lines(): string[] {
  try {
    return readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
