import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Ends and second chances, as somebody meets them who triggers, cancels and retries through the API.

/** Does what a file in the story's folder says: fail, die, wait; else it completes. */
const actor = `
import os, signal, time
@custom
def act(*args, **kwargs):
    plan = os.path.join(os.environ['CHANCES'], kwargs['block_uuid'])
    print('attempt', kwargs['retry']['attempts'], flush=True)
    word = open(plan).read().strip() if os.path.exists(plan) else ''
    if word == 'fail':
        raise ValueError('no luck')
    if word == 'die':
        os.kill(os.getpid(), signal.SIGKILL)
    while word == 'wait' and os.path.exists(plan):
        time.sleep(0.02)
    return kwargs['env'] if kwargs['block_uuid'] == 'env' else kwargs['block_uuid']
`;

const blocks = ['one', 'two', 'three', 'four', 'slow', 'alone', 'dying', 'env', 'fragile'];
const diamond = `
- {uuid: one, type: custom, language: python}
- {uuid: two, type: custom, language: python, upstream_blocks: [one]}
- {uuid: three, type: custom, language: python, upstream_blocks: [one]}
- {uuid: four, type: custom, language: python, upstream_blocks: [two, three]}
`;

const project = writeProject({
  'pipelines/diamond/metadata.yaml': `blocks:${diamond}`,
  'pipelines/slow/metadata.yaml':
    'blocks:\n- {uuid: slow, type: custom, language: python}\n- {uuid: alone, type: custom, language: python, upstream_blocks: [slow]}\n',
  'pipelines/strict/metadata.yaml': 'blocks:\n- {uuid: slow, type: custom, language: python, timeout: 0.3}\n',
  'pipelines/dying/metadata.yaml':
    'blocks:\n- {uuid: dying, type: custom, language: python, retry_config: {retries: 2, delay: 0}}\n',
  'pipelines/telling/metadata.yaml': 'blocks:\n- {uuid: teller, type: custom, language: python}\n',
  'custom/teller.py':
    "import sys\n@custom\ndef tell(*args, **kwargs):\n    print('it is', kwargs['DB_PASSWORD'])\n    print('in', kwargs['conf'], file=sys.stderr)\n    raise ValueError('not ' + kwargs['DB_PASSWORD'])\n",
  'pipelines/env/metadata.yaml': 'blocks:\n- {uuid: env, type: custom, language: python}\n',
  ...Object.fromEntries(blocks.map((uuid) => [`custom/${uuid}.py`, actor])),
});

const says = (block: string, word: 'fail' | 'die' | 'wait') => writeFileSync(join(project.dir, block), word);
const saysNothing = (...names: readonly string[]) => {
  for (const block of names.length > 0 ? names : blocks) rmSync(join(project.dir, block), { force: true });
};

let server: ServerProcess;
const serve = () => startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), ['--grace', '1']);
beforeAll(async () => {
  process.env.CHANCES = project.dir;
  server = await serve();
}, 60_000);
afterAll(async () => {
  saysNothing();
  server.kill('SIGINT');
  await server.gone;
  project.remove();
  delete process.env.CHANCES;
}, 20_000);

type Reason = { readonly code: string; readonly message: string } | null;
type Attempt = {
  readonly number: number;
  readonly runAttempt: number;
  readonly status: string;
  readonly statusReason: Reason;
  readonly completedAt: string | null;
  readonly error: { readonly message: string } | null;
  readonly outputs: readonly { readonly value: unknown }[] | null;
};
type Run = {
  readonly id: string;
  readonly status: string;
  readonly statusReason: Reason;
  readonly attempt: number;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  readonly timedOut: boolean;
  readonly error: { readonly blockUuid: string; readonly message: string } | null;
  readonly variables: Record<string, unknown>;
  readonly attempts: readonly {
    readonly number: number;
    readonly status: string;
    readonly statusReason: Reason;
    readonly completedAt: string | null;
    readonly actor: string | null;
  }[];
  readonly logs: {
    readonly nodes: readonly { readonly blockUuid: string; readonly attempt: number; readonly message: string }[];
  };
  readonly events: {
    readonly nodes: readonly {
      readonly seq: number;
      readonly kind: string;
      readonly blockUuid: string | null;
      readonly to: string | null;
    }[];
  };
  readonly blockRuns: {
    readonly nodes: readonly {
      readonly blockUuid: string;
      readonly status: string;
      readonly statusReason: Reason;
      readonly attempts: readonly Attempt[];
    }[];
  };
};

const fields = /* GraphQL */ `
  id status statusReason { code message } attempt startedAt completedAt timedOut error { blockUuid message } variables
  attempts { number status statusReason { code message } completedAt actor }
  logs(first: 100) { nodes { blockUuid attempt message } }
  events(first: 100) { nodes { seq kind blockUuid to } }
  blockRuns { nodes { blockUuid status statusReason { code message }
    attempts { number runAttempt status statusReason { code message } completedAt error { message } outputs { value } } } }`;

const look = async (id: string) =>
  (await server.query<{ pipelineRun: Run }>(`query ($id: ID!) { pipelineRun(id: $id) { ${fields} } }`, { id }))
    .pipelineRun;

async function trigger(pipelineUuid: string, input: object = {}): Promise<string> {
  const { run } = await server.query<{ run: { pipelineRun?: { id: string }; message?: string } }>(
    `mutation ($input: TriggerPipelineRunInput!) { run: triggerPipelineRun(input: $input) {
       ... on TriggerPipelineRunSuccess { pipelineRun { id } } ... on UserError { message } } }`,
    { input: { pipelineUuid, ...input } },
  );
  if (!run.pipelineRun) throw new Error(run.message);
  return run.pipelineRun.id;
}

const runsOf = async (pipelineUuid: string) =>
  (
    await server.query<{ pipelineRuns: { totalCount: number } }>(
      'query ($uuid: String!) { pipelineRuns(filter: { pipelineUuid: { eq: $uuid } }) { totalCount } }',
      { uuid: pipelineUuid },
    )
  ).pipelineRuns.totalCount;

type Result = {
  readonly pipelineRunId: string;
  readonly pipelineRun: { readonly id: string } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
};
type Payload = { readonly error: { readonly message: string } | null; readonly results: readonly Result[] };
const payload = 'error { message } results { pipelineRunId pipelineRun { id } error { code message } }';

async function change(action: 'retry' | 'cancel', id: string, input: object = {}): Promise<Result> {
  const type = action === 'retry' ? 'RetryPipelineRunsInput' : 'CancelPipelineRunsInput';
  const { done } = await server.query<{ done: Payload }>(
    `mutation ($input: ${type}!) { done: ${action}PipelineRuns(input: $input) { ${payload} } }`,
    { input: { selection: { ids: [id] }, ...input } },
  );
  if (done.error) throw new Error(done.error.message);
  return done.results[0]!;
}

const isOver = (run: Run) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(run.status);
const ended = (id: string) =>
  until(`the end of ${id}`, async () => {
    const run = await look(id);
    return isOver(run) && run;
  });
const isRunning = (id: string, block: string) =>
  until(`${block} runs`, async () => (await look(id)).logs.nodes.some((line) => line.blockUuid === block));
const statuses = (run: Run) => Object.fromEntries(run.blockRuns.nodes.map((block) => [block.blockUuid, block.status]));
const blockOf = (run: Run, uuid: string) => run.blockRuns.nodes.find((block) => block.blockUuid === uuid)!;

/** 27: whatever the end, it says when and why, of the run and of each of its attempts. */
function expectToldEnd(run: Run): void {
  expect(run).toMatchObject({
    completedAt: expect.any(String),
    statusReason: { code: expect.any(String), message: expect.any(String) },
  });
  for (const attempt of run.attempts)
    expect(attempt).toMatchObject({ completedAt: expect.any(String), statusReason: { code: expect.any(String) } });
  expect(run.events.nodes.map((event) => event.seq)).toEqual(run.events.nodes.map((_, index) => index + 1));
}

describe('a diamond', () => {
  test('1, 2: only its first block is queued at the start, the last waits for both before it, and then the run is completed', async () => {
    const run = await ended(await trigger('diamond'));
    expect(run.status).toBe('COMPLETED');
    expectToldEnd(run);
    const queued = run.events.nodes.filter((event) => event.to === 'QUEUED').map((event) => event.blockUuid);
    expect([queued[0], queued.at(-1)]).toEqual(['one', 'four']);
    const before = run.events.nodes.slice(
      0,
      run.events.nodes.findIndex((event) => event.blockUuid === 'four'),
    );
    for (const uuid of ['two', 'three'])
      expect(before).toContainEqual(expect.objectContaining({ blockUuid: uuid, to: 'COMPLETED' }));
  });

  test('3: when one of its branches fails, the other is stopped, what waits below can never run, and the run is failed', async () => {
    says('two', 'fail');
    says('three', 'wait');
    const run = await ended(await trigger('diamond'));
    saysNothing();
    expect(run).toMatchObject({
      status: 'FAILED',
      error: { blockUuid: 'two', message: 'no luck' },
      statusReason: { code: 'BLOCK_FAILED' },
    });
    expect(statuses(run)).toEqual({ one: 'COMPLETED', two: 'FAILED', three: 'CANCELLED', four: 'UPSTREAM_FAILED' });
    expectToldEnd(run);
  });

  test('4: when blocks are allowed to fail, the other branch goes on and the run is failed at its end', async () => {
    says('two', 'fail');
    const run = await ended(await trigger('diamond', { settings: { allowBlocksToFail: true } }));
    saysNothing();
    expect(run.status).toBe('FAILED');
    expect(statuses(run)).toEqual({ one: 'COMPLETED', two: 'FAILED', three: 'COMPLETED', four: 'UPSTREAM_FAILED' });
  });

  test('26: retried, it keeps what the first attempt said, gave and came to', async () => {
    says('two', 'fail');
    const id = await trigger('diamond', { settings: { allowBlocksToFail: true } });
    const first = await ended(id);
    saysNothing();
    expect(await change('retry', id, { reason: 'it is mended' })).toMatchObject({ error: null });
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'COMPLETED', attempt: 2 });
    expectToldEnd(run);
    expect(run.attempts[0]).toEqual(first.attempts[0]);
    expect(blockOf(run, 'one').attempts).toEqual(blockOf(first, 'one').attempts);
    expect(blockOf(run, 'two').attempts).toMatchObject([
      { number: 1, runAttempt: 1, status: 'FAILED', error: { message: 'no luck' } },
      { number: 2, runAttempt: 2, status: 'COMPLETED', outputs: [{ value: 'two' }] },
    ]);
    // Its budget of retries is fresh.
    expect(
      run.logs.nodes.filter((line) => line.blockUuid === 'two').map((line) => [line.attempt, line.message]),
    ).toContainEqual([2, 'attempt 1']);
    expect(await change('retry', id)).toMatchObject({ error: { code: 'INVALID_STATE' } });
  });

  test('42: from a block below one that never completed, that one runs too', async () => {
    says('one', 'fail');
    const id = await trigger('diamond');
    await ended(id);
    saysNothing();
    const plan = await server.query<{
      pipelineRun: { retryPlan: { blockRuns: { blockUuid: string; reason: string }[] } };
    }>(
      'query ($id: ID!) { pipelineRun(id: $id) { retryPlan(mode: FROM_BLOCK, fromBlock: "two") { blockRuns { blockUuid reason } refused { message } } } }',
      { id },
    );
    expect(plan.pipelineRun.retryPlan.blockRuns).toEqual([
      { blockUuid: 'one', reason: 'UPSTREAM_INCOMPLETE' },
      { blockUuid: 'two', reason: 'SELECTED' },
      { blockUuid: 'three', reason: 'UPSTREAM_INCOMPLETE' },
      { blockUuid: 'four', reason: 'DOWNSTREAM' },
    ]);
    await change('retry', id, { mode: 'FROM_BLOCK', fromBlock: 'two' });
    expect(await ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
  });
});

test('5: a pipeline that is broken starts nothing, and says what is wrong with it', async () => {
  const file = join(project.dir, 'project/custom/env.py');
  const code = readFileSync(file, 'utf8');
  const run = () =>
    trigger('env').then(
      (id) => `${id} was made`,
      (error: Error) => error.message,
    );
  rmSync(file);
  await until('the missing file is seen', async () => (await run()).includes('env.py'));
  const before = await runsOf('env');
  expect(await run()).toContain('env.py');
  expect(await runsOf('env')).toBe(before);
  writeFileSync(file, code);
  await until('the file is seen again', async () => (await run()).includes('was made'));
});

describe('a time limit', () => {
  test('6: a run that is over it fails; with CANCELLED it is cancelled; with WARNING it goes on and is told of', async () => {
    says('slow', 'wait');
    const [failing, cancelled, warned] = (await Promise.all(
      ['FAILED', 'CANCELLED', 'WARNING'].map((timeoutStatus) =>
        trigger('slow', { settings: { timeoutSeconds: 0.4, timeoutStatus } }),
      ),
    )) as [string, string, string];
    expect(await ended(failing)).toMatchObject({
      status: 'FAILED',
      timedOut: true,
      statusReason: { code: 'TIMED_OUT' },
    });
    expect(await ended(cancelled)).toMatchObject({
      status: 'CANCELLED',
      timedOut: true,
      statusReason: { code: 'TIMED_OUT' },
    });
    await until('the warning', async () => (await look(warned)).timedOut);
    saysNothing();
    const run = await ended(warned);
    expect(run).toMatchObject({ status: 'COMPLETED', timedOut: true });
    expect(run.events.nodes.filter((event) => event.kind === 'TIMED_OUT')).toHaveLength(1);
  });

  test('6: a block that is over it fails', async () => {
    says('slow', 'wait');
    const run = await ended(await trigger('strict'));
    saysNothing();
    expect(run.status).toBe('FAILED');
    expect(blockOf(run, 'slow')).toMatchObject({ status: 'FAILED', statusReason: { code: 'TIMED_OUT' } });
  });

  test('25: the clock starts anew with a retry', async () => {
    says('slow', 'wait');
    const id = await trigger('slow', { settings: { timeoutSeconds: 1 } });
    const first = await ended(id);
    await change('retry', id);
    await isRunning(id, 'slow');
    saysNothing();
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'COMPLETED', attempt: 2, timedOut: false });
    expect(Date.parse(run.startedAt!)).toBeGreaterThanOrEqual(Date.parse(first.completedAt!));
  });
});

test('22: a block whose process is killed has its retries, then fails and says that its process died', async () => {
  says('dying', 'die');
  const run = await ended(await trigger('dying'));
  saysNothing();
  expect(run.status).toBe('FAILED');
  expect(blockOf(run, 'dying').attempts.map((attempt) => attempt.statusReason?.code)).toEqual(
    Array(3).fill('PROCESS_DIED'),
  );
});

test('a block gets the secrets of its run, and what it prints and fails with does not tell them', async () => {
  const id = await trigger('telling', { variables: { DB_PASSWORD: 'canary-1', conf: { api_key: 'canary-2' } } });
  const run = await ended(id);
  expect(run.error?.message).toBe('not ********');
  expect(run.logs.nodes.map((line) => line.message)).toEqual(
    expect.arrayContaining(['it is ********', "in {'api_key': '********'}"]),
  );
  expect(JSON.stringify(run)).not.toContain('canary');
});

test('35: the variable env that a caller gives is the one that arrives', async () => {
  const run = await ended(await trigger('env', { variables: { env: 'staging' } }));
  expect(blockOf(run, 'env').attempts[0]?.outputs).toMatchObject([{ value: 'staging' }]);
});

describe('a cancel', () => {
  test('41: cancelled, retried and cancelled again, it ends right each time', async () => {
    says('slow', 'wait');
    const id = await trigger('slow');
    for (const attempt of [1, 2]) {
      await until('it runs', async () => blockOf(await look(id), 'slow').status === 'RUNNING');
      await change('cancel', id, { reason: 'enough' });
      const run = await ended(id);
      expect(run).toMatchObject({ status: 'CANCELLED', attempt, statusReason: { code: 'CANCELLED_BY_USER' } });
      expect(statuses(run)).toEqual({ slow: 'CANCELLED', alone: 'CANCELLED' });
      expectToldEnd(run);
      expect(await change('cancel', id)).toMatchObject({ error: { code: 'INVALID_STATE' } });
      if (attempt === 1) await change('retry', id);
    }
    saysNothing();
    await change('retry', id);
    expect(await ended(id)).toMatchObject({
      status: 'COMPLETED',
      attempt: 3,
      attempts: [{ status: 'CANCELLED' }, { status: 'CANCELLED' }, { status: 'COMPLETED' }],
    });
  });

  test('30: in the very moment in which it completes, there is one end', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => trigger('env')));
    await Promise.all(ids.map((id) => change('cancel', id)));
    for (const id of ids) {
      const run = await ended(id);
      const ends = run.events.nodes.filter(
        (event) => event.kind === 'RUN_STATUS_CHANGED' && ['COMPLETED', 'FAILED', 'CANCELLED'].includes(event.to ?? ''),
      );
      expect(ends.map((event) => event.to)).toEqual([run.status]);
      expectToldEnd(run);
    }
  });

  test('40: a hundred cancels at once are one, and so are a hundred retries with one expectedAttempt', async () => {
    says('slow', 'wait');
    const id = await trigger('slow');
    await isRunning(id, 'slow');
    const cancels = await Promise.all(Array.from({ length: 100 }, () => change('cancel', id)));
    expect(cancels.filter((result) => result.error !== null && result.error.code !== 'INVALID_STATE')).toEqual([]);
    const run = await ended(id);
    expect(run.events.nodes.filter((event) => event.kind === 'CANCEL_REQUESTED')).toHaveLength(1);
    saysNothing();
    const retries = await Promise.all(Array.from({ length: 100 }, () => change('retry', id, { expectedAttempt: 1 })));
    expect(retries.filter((result) => result.error === null)).toHaveLength(1);
    expect(await ended(id)).toMatchObject({ status: 'COMPLETED', attempt: 2 });
  });
});

test('21: a server that is killed while a block runs runs it exactly once more, when it is started again', {
  timeout: 60_000,
}, async () => {
  says('slow', 'wait');
  const id = await trigger('slow');
  await isRunning(id, 'slow');
  server.kill('SIGKILL');
  await server.gone;
  server = await serve();
  await until('it runs again', async () => blockOf(await look(id), 'slow').attempts.length === 2);
  saysNothing();
  const run = await ended(id);
  expect(run.status).toBe('COMPLETED');
  expect(blockOf(run, 'slow').attempts).toMatchObject([
    { number: 1, status: 'FAILED', statusReason: { code: 'WORKER_LOST' } },
    { number: 2, status: 'COMPLETED' },
  ]);
  expect(existsSync(join(project.dir, 'slow'))).toBe(false);
});
