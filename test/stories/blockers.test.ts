import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Somebody asks of every kind of run that stands still why it does, and is told what to do about it.

/** Runs until a file named after its run lies in the folder of the story. */
const waitForFile = `
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default async function wait({ variables }) {
  while (!existsSync(\`\${process.env.BLOCKERS_STORY}/\${variables.pipeline_run_id}\`)) await pause(50);
}
`;

function lowered(limit: number): string {
  return `
concurrency_config: {pipeline_run_limit: ${limit}}
blocks:
- {uuid: hold, type: custom, language: typescript}
`;
}

const project = writeProject({
  'pipelines/slow/metadata.yaml': `
blocks:
- {uuid: hold, type: custom, language: typescript}
- {uuid: after, type: custom, language: typescript, upstream_blocks: [hold]}
`,
  'pipelines/one_at_a_time/metadata.yaml': `
concurrency_config: {pipeline_run_limit: 1}
blocks:
- {uuid: hold, type: custom, language: typescript}
`,
  'pipelines/lowered/metadata.yaml': lowered(2),
  'pipelines/closed/metadata.yaml': `
concurrency_config: {pipeline_run_limit_all_triggers: 0}
blocks:
- {uuid: after, type: custom, language: typescript}
`,
  'pipelines/special_hardware/metadata.yaml': `
blocks:
- {uuid: after, type: custom, language: typescript, executor_config: {label: gpu}}
`,
  'pipelines/flaky/metadata.yaml': `
blocks:
- {uuid: fail, type: custom, language: typescript, retry_config: {retries: 2, delay: 50}}
`,
  'pipelines/stubborn/metadata.yaml': `
blocks:
- {uuid: stay, type: custom, language: python}
`,
  'pipelines/followed_up/metadata.yaml': `
blocks:
- {uuid: after, type: custom, language: typescript}
callbacks:
- {uuid: follow_up, type: callback, language: python, upstream_blocks: [after]}
`,
  'callbacks/follow_up.py': `
import os, time
@callback('success')
def follow_up(parent_block_data, **kwargs):
    while not os.path.exists(os.path.join(os.environ['BLOCKERS_STORY'], str(kwargs['pipeline_run_id']))):
        time.sleep(0.05)
`,
  'pipelines/patient/metadata.yaml': `
blocks:
- {uuid: is_it_there, type: sensor, language: python}
`,
  'sensors/is_it_there.py': `
@sensor
def is_it_there(*args, **kwargs):
    return False
`,
  'pipelines/parent/metadata.yaml': `
blocks:
- {uuid: ask_another, type: custom, language: python}
`,
  'custom/ask_another.py': `
from mage_ai.orchestration.triggers.api import trigger_pipeline

@custom
def ask_another(*args, **kwargs):
    trigger_pipeline('slow', check_status=True, poll_interval=1)
`,
  'custom/hold.ts': waitForFile,
  'custom/after.ts': 'export default () => 1;',
  'custom/fail.ts': 'export default () => { throw new Error("not yet"); };',
  'custom/stay.py': `
import os, signal, time
@custom
def stay(*args, **kwargs):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(os.path.join(os.environ['BLOCKERS_STORY'], f"stays_{kwargs['pipeline_run_id']}"), 'w').close()
    time.sleep(60)
`,
});

let server: ServerProcess;
const startServer = async (...flags: string[]) => {
  server = await startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), [
    '--slots',
    '2',
    ...flags,
  ]);
};
const stopServer = async () => {
  server?.kill('SIGINT');
  await server?.gone;
};
beforeAll(async () => {
  process.env.BLOCKERS_STORY = project.dir;
  await startServer('--grace', '2');
}, 60_000);
afterAll(async () => {
  await stopServer();
  delete process.env.BLOCKERS_STORY;
  project.remove();
});

type Blocker = {
  code: string;
  scope: string;
  message: string;
  since: string;
  until: string | null;
  limit: number | null;
  inUse: number | null;
  holders: { id: string }[] | null;
  holderBlockRuns: { blockUuid: string }[] | null;
};
type Run = {
  status: string;
  blockers: Blocker[];
  blockRuns: { nodes: { blockUuid: string; status: string; blockers: Blocker[] }[] };
  events: { nodes: { kind: string; from: string | null; to: string | null; reason: { message: string } | null }[] };
};

async function trigger(pipelineUuid: string): Promise<string> {
  const { triggerPipelineRun } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    `mutation { triggerPipelineRun(input: {pipelineUuid: "${pipelineUuid}"}) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }`,
  );
  return triggerPipelineRun.pipelineRun.id;
}

async function look(id: string): Promise<Run> {
  const blockers =
    'blockers { code scope message since until limit inUse holders { id } holderBlockRuns { blockUuid } }';
  const { pipelineRun } = await server.query<{ pipelineRun: Run }>(
    `query ($id: ID!) { pipelineRun(id: $id) { status ${blockers} blockRuns(first: 5) { nodes { blockUuid status ${blockers} } } events(first: 100) { nodes { kind from to runStatus reason { message } } } } }`,
    { id },
  );
  return pipelineRun;
}

/** Waits until the binding blocker of a run is of a kind; answers with the run. */
const blockedBy = (id: string, code: string) =>
  until(`${id} waits for ${code}`, async () => {
    const run = await look(id);
    return run.blockers[0]?.code === code && run;
  });
const blockOf = (run: Run, uuid: string) => run.blockRuns.nodes.find((block) => block.blockUuid === uuid)!;
const atWork = (id: string) =>
  until(`${id} is at work`, async () => (await look(id)).blockRuns.nodes.some((block) => block.status === 'RUNNING'));
const toldTo = (run: Run) => run.events.nodes.filter((event) => event.kind === 'BLOCKER_CHANGED');
const letGo = (id: string) => writeFileSync(join(project.dir, id.slice('run_'.length)), '');
const ended = (id: string) => until(`${id} has ended`, async () => (await look(id)).status === 'COMPLETED');
const cancel = (id: string) =>
  server.query(`mutation { cancelPipelineRuns(input: { selection: { ids: ["${id}"] } }) { __typename } }`);

describe('why a run stands still', { timeout: 60_000 }, () => {
  test('CONCURRENCY_LIMIT: another run of the pipeline runs; the history tells it, and a run that moves is told nothing', async () => {
    const first = await trigger('one_at_a_time');
    await atWork(first);
    const second = await trigger('one_at_a_time');
    expect((await blockedBy(second, 'CONCURRENCY_LIMIT')).blockers).toMatchObject([
      {
        scope: 'PIPELINE',
        limit: 1,
        inUse: 1,
        holders: [{ id: first }],
        message: expect.stringContaining('pipeline_run_limit'),
      },
    ]);
    const told = await until('its history says so', async () => toldTo(await look(second))[0]);
    expect(told).toMatchObject({
      from: null,
      to: 'CONCURRENCY_LIMIT',
      reason: { message: expect.stringContaining('allows 1') },
    });
    letGo(first);
    await ended(first);
    await atWork(second);
    letGo(second);
    await ended(second);
    expect(toldTo(await look(first))).toEqual([]);
    expect((await look(second)).blockers).toEqual([]);
  });

  test('a limit lowered below what runs breaks nothing, and nothing new starts until there is room', async () => {
    const runs = [await trigger('lowered'), await trigger('lowered')] as const;
    for (const run of runs) await atWork(run);
    const third = await trigger('lowered');
    expect((await blockedBy(third, 'CONCURRENCY_LIMIT')).blockers[0]).toMatchObject({ limit: 2, inUse: 2 });
    writeFileSync(join(project.dir, 'project/pipelines/lowered/metadata.yaml'), lowered(1));
    await until('the limit is 1', async () => (await look(third)).blockers[0]?.limit === 1);
    letGo(runs[0]);
    await ended(runs[0]);
    const waiting = await look(third);
    expect(waiting).toMatchObject({
      status: 'INITIAL',
      blockers: [{ limit: 1, inUse: 1, holders: [{ id: runs[1] }] }],
    });
    letGo(runs[1]);
    await ended(runs[1]);
    await atWork(third);
    letGo(third);
    await ended(third);
  });

  test('LIMIT_IS_ZERO: a limit of 0 is never silent', async () => {
    const run = await look(await trigger('closed'));
    expect(run.blockers).toMatchObject([
      { code: 'LIMIT_IS_ZERO', scope: 'PIPELINE', limit: 0, message: expect.stringContaining('Raise it') },
    ]);
    expect(blockOf(run, 'after').blockers).toEqual(run.blockers);
  });

  test('WORKER_UNAVAILABLE: nobody has the label that a block asks for', async () => {
    const run = await blockedBy(await trigger('special_hardware'), 'WORKER_UNAVAILABLE');
    expect(run.blockers[0]).toMatchObject({
      scope: 'LABEL',
      message: expect.stringContaining('penstock serve --role worker --label gpu'),
    });
    expect(blockOf(run, 'after').blockers).toMatchObject([{ code: 'WORKER_UNAVAILABLE' }]);
  });

  test('WORKERS_BUSY and UPSTREAM_PENDING: all slots are taken, and a block waits for the one before it', async () => {
    const runs = [await trigger('slow'), await trigger('slow')];
    for (const run of runs) await atWork(run);
    const third = await trigger('slow');
    const waiting = await blockedBy(third, 'WORKERS_BUSY');
    expect(waiting.blockers[0]).toMatchObject({
      scope: 'LABEL',
      limit: 2,
      inUse: 2,
      holderBlockRuns: [{ blockUuid: 'hold' }, { blockUuid: 'hold' }],
    });
    expect(blockOf(waiting, 'after').blockers).toMatchObject([
      {
        code: 'UPSTREAM_PENDING',
        scope: 'RUN',
        message: 'It waits for hold to end.',
        holderBlockRuns: [{ blockUuid: 'hold' }],
      },
    ]);
    for (const run of [...runs, third]) letGo(run);
    for (const run of [...runs, third]) await ended(run);
  });

  test('RETRY_BACKOFF: the next attempt has its time', async () => {
    const id = await trigger('flaky');
    const run = await blockedBy(id, 'RETRY_BACKOFF');
    expect(Date.parse(run.blockers[0]!.until!) - Date.now()).toBeGreaterThan(30_000);
    expect(blockOf(run, 'fail')).toMatchObject({ status: 'QUEUED', blockers: [{ code: 'RETRY_BACKOFF' }] });
    await cancel(id);
    expect(await look(id)).toMatchObject({ status: 'CANCELLED', blockers: [] });
  });

  test('CALLBACK_RUNNING: the blocks have ended, and a callback has not', async () => {
    const id = await trigger('followed_up');
    const run = await blockedBy(id, 'CALLBACK_RUNNING');
    expect(run).toMatchObject({
      status: 'RUNNING',
      blockers: [{ scope: 'RUN', holderBlockRuns: [{ blockUuid: 'after' }] }],
      blockRuns: { nodes: [{ status: 'COMPLETED', blockers: [] }] },
    });
    letGo(id);
    await ended(id);
  });

  test('SENSOR_WAITING: a sensor said no and is asked again later', async () => {
    const id = await trigger('patient');
    const run = await blockedBy(id, 'SENSOR_WAITING');
    expect(Date.parse(run.blockers[0]!.until!) - Date.now()).toBeGreaterThan(30_000);
    expect(blockOf(run, 'is_it_there')).toMatchObject({ status: 'RUNNING', blockers: [{ code: 'SENSOR_WAITING' }] });
    await cancel(id);
    await until('it is cancelled', async () => (await look(id)).status === 'CANCELLED');
  });

  test('CHILD_RUN: a block waits for a run that it started', async () => {
    const id = await trigger('parent');
    const run = await blockedBy(id, 'CHILD_RUN');
    const child = run.blockers[0]!.holders![0]!.id;
    expect(run.blockers).toMatchObject([{ scope: 'RUN', holderBlockRuns: [{ blockUuid: 'ask_another' }] }]);
    expect(blockOf(run, 'ask_another').blockers).toMatchObject([{ code: 'CHILD_RUN', holders: [{ id: child }] }]);
    letGo(child);
    await ended(child);
    await ended(id);
  });

  test('STOPPING: a cancelled run waits for the process that will not go', async () => {
    const id = await trigger('stubborn');
    await until('it has begun', () => existsSync(join(project.dir, `stays_${id.slice('run_'.length)}`)));
    await cancel(id);
    const run = await look(id);
    expect(run.blockers).toMatchObject([
      {
        code: 'STOPPING',
        scope: 'RUN',
        holderBlockRuns: [{ blockUuid: 'stay' }],
        message: expect.stringContaining('It will be cancelled'),
      },
    ]);
    expect(blockOf(run, 'stay').blockers).toMatchObject([{ code: 'STOPPING' }]);
    await until('it is cancelled', async () => (await look(id)).status === 'CANCELLED');
  });

  test('SCHEDULER_DOWN: a server without a scheduler says that nothing will start', async () => {
    await stopServer();
    await startServer('--role', 'api');
    const run = await look(await trigger('one_at_a_time'));
    expect(run.blockers).toMatchObject([
      { code: 'SCHEDULER_DOWN', scope: 'PROJECT', message: expect.stringContaining('penstock serve --role scheduler') },
    ]);
  });
});
