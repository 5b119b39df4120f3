import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Conditions, callbacks and sensors, as the author of a project meets them: real blocks in Python and TypeScript.

/** Appends what happened to the folder's diary, so that a test can count calls. */
const diary = (line: string) => `open(os.environ['SPECIAL_STORY'] + '/diary', 'a').write(${line} + '\\n')`;

const project = writeProject({
  'pipelines/conditions/metadata.yaml': `
blocks:
- {uuid: load, type: data_loader, language: python}
- {uuid: guarded, type: transformer, language: python, upstream_blocks: [load], conditional_blocks: [agrees, objects]}
- {uuid: below, type: transformer, language: python, upstream_blocks: [guarded]}
- {uuid: join, type: transformer, language: python, upstream_blocks: [below, load], trigger_rule: none_failed}
conditionals:
- {uuid: agrees, type: conditional, language: python}
- {uuid: objects, type: conditional, language: typescript}
`,
  'pipelines/let_in/metadata.yaml': `
blocks:
- {uuid: load, type: data_loader, language: python}
- {uuid: guarded, type: transformer, language: python, upstream_blocks: [load], conditional_blocks: [agrees]}
conditionals:
- {uuid: agrees, type: conditional, language: python}
`,
  'pipelines/confused/metadata.yaml': `
blocks:
- {uuid: load, type: data_loader, language: python, conditional_blocks: [agrees, broken]}
conditionals:
- {uuid: agrees, type: conditional, language: python}
- {uuid: broken, type: conditional, language: python}
`,
  'pipelines/told/metadata.yaml': `
blocks:
- {uuid: load, type: data_loader, language: python}
- {uuid: fail, type: transformer, language: python, upstream_blocks: [load], retry_config: {retries: 1, delay: 0}}
- {uuid: never, type: transformer, language: python, upstream_blocks: [fail]}
callbacks:
- {uuid: tell, type: callback, language: python, upstream_blocks: [load, fail, never]}
- {uuid: tell_ts, type: callback, language: typescript, upstream_blocks: [load, fail]}
`,
  'pipelines/clumsy/metadata.yaml': `
blocks:
- {uuid: load, type: data_loader, language: python}
callbacks:
- {uuid: stumble, type: callback, language: python, upstream_blocks: [load]}
`,
  'pipelines/slow_news/metadata.yaml': `
blocks:
- {uuid: wait, type: custom, language: python}
- {uuid: later, type: custom, language: python, upstream_blocks: [wait]}
callbacks:
- {uuid: tell, type: callback, language: python, upstream_blocks: [wait, later]}
`,
  'custom/wait.py':
    'import time\n@custom\ndef wait(*args, **kwargs):\n    print("waiting", flush=True)\n    time.sleep(60)\n',
  'custom/later.py': '@custom\ndef later(*args, **kwargs):\n    pass\n',
  'transformers/fail.py': '@transformer\ndef fail(value, **kwargs):\n    raise ValueError("no luck")\n',
  'transformers/never.py': '@transformer\ndef never(value, **kwargs):\n    pass\n',
  'callbacks/tell.py': `
import os
@callback('success')
def success(*args, **kwargs):
    ${diary(`f"success {kwargs['parent_block_uuid']} {args}"`)}
@callback('failure')
def failure(*args, **kwargs):
    ${diary(`f"failure {kwargs['parent_block_uuid']} {args} {type(kwargs['__error']).__name__} {kwargs['__error']}"`)}
@callback('cancelled')
def cancelled(*args, **kwargs):
    ${diary(`f"cancelled {kwargs['parent_block_uuid']} {kwargs['pipeline_run'].status}"`)}
`,
  'callbacks/tell_ts.ts': `
import { appendFileSync } from 'node:fs';
export const callback = ({ inputs, context }) => {
  const { ended, parentBlockUuid } = context;
  appendFileSync(process.env.SPECIAL_STORY + '/diary', \`ts \${ended.status} \${parentBlockUuid} \${inputs[0]} \${ended.error?.message}\\n\`);
};
`,
  'callbacks/stumble.py': '@callback("success")\ndef stumble(*args, **kwargs):\n    raise RuntimeError("stumbled")\n',
  'pipelines/sensing/metadata.yaml': `
blocks:
- {uuid: third_time, type: sensor, language: python, configuration: {interval: 0.1}}
- {uuid: second_time, type: sensor, language: typescript, configuration: {interval: 0.1}}
- {uuid: after, type: custom, language: python, upstream_blocks: [third_time, second_time]}
`,
  'pipelines/in_vain/metadata.yaml': `
blocks:
- {uuid: never_so, type: sensor, language: python, configuration: {interval: 3600}}
`,
  'pipelines/punctual/metadata.yaml': `
blocks:
- {uuid: twice, type: sensor, language: typescript, configuration: {interval: 2.1}}
`,
  'sensors/twice.ts': `
import { existsSync, writeFileSync } from 'node:fs';
export const sensor = () => {
  const file = process.env.SPECIAL_STORY + '/twice';
  if (existsSync(file)) return true;
  writeFileSync(file, '');
};
`,
  'pipelines/impatient/metadata.yaml': `
blocks:
- {uuid: never_so, type: sensor, language: python, configuration: {interval: 3600}, timeout: 1}
`,
  'sensors/third_time.py': `
import os
@sensor
def third_time(*args, **kwargs):
    with open(os.environ['SPECIAL_STORY'] + '/asked', 'a+') as asked:
        asked.write('.')
        asked.seek(0)
        return len(asked.read()) == 3
`,
  'sensors/second_time.ts': `
import { existsSync, writeFileSync } from 'node:fs';
export const sensor = () => {
  const file = process.env.SPECIAL_STORY + '/asked_ts';
  if (existsSync(file)) return true;
  writeFileSync(file, '');
};
`,
  'sensors/never_so.py': '@sensor\ndef never_so(*args, **kwargs):\n    return False\n',
  'custom/after.py': '@custom\ndef after(one, other, **kwargs):\n    return {"one": one, "other": other}\n',
  'data_loaders/load.py': '@data_loader\ndef load(*args, **kwargs):\n    return 41\n',
  'transformers/guarded.py': `
import os
@transformer
def guarded(value, *args, **kwargs):
    ${diary(`f"guarded {value} {kwargs['retry']['attempts']}"`)}
    return value + 1
`,
  'transformers/below.py': '@transformer\ndef below(value, *args, **kwargs):\n    return value\n',
  'transformers/join.py': '@transformer\ndef join(below, load, **kwargs):\n    return [below, load]\n',
  'conditionals/agrees.py': `
import os
@condition
def agrees(*args, **kwargs):
    run = kwargs['pipeline_run']
    ${diary(`f"agrees {args} {kwargs['parent_block_uuid']} {run.status} {run.execution_date.year > 2000} {run.id == kwargs['pipeline_run_id']}"`)}
    return True
`,
  'conditionals/objects.ts': `
import { appendFileSync } from 'node:fs';
export const condition = ({ inputs, context }) => {
  appendFileSync(process.env.SPECIAL_STORY + '/diary', \`objects \${inputs[0]} \${context.parentBlockUuid}\\n\`);
  return false;
};
`,
  'conditionals/broken.py': '@condition\ndef broken(*args, **kwargs):\n    raise ValueError("no idea")\n',
});

let server: ServerProcess;
beforeAll(async () => {
  process.env.SPECIAL_STORY = project.dir;
  server = await startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), ['--grace', '1']);
}, 60_000);
afterAll(async () => {
  server.kill('SIGINT');
  await server.gone;
  project.remove();
  delete process.env.SPECIAL_STORY;
}, 20_000);

type Block = {
  readonly blockUuid: string;
  readonly status: string;
  readonly statusReason: { readonly code: string; readonly message: string } | null;
  readonly error: { readonly type: string; readonly message: string; readonly stackTrace: string | null } | null;
  readonly outputs: readonly { readonly value: unknown }[] | null;
  readonly attempts: readonly {
    readonly status: string;
    readonly calls: number | null;
    readonly durationMs: number | null;
  }[];
};
type Run = { readonly id: string; readonly status: string; readonly blockRuns: { readonly nodes: readonly Block[] } };

const runQuery = /* GraphQL */ `
  query ($id: ID!) {
    pipelineRun(id: $id) {
      id status
      blockRuns {
        nodes {
          blockUuid status statusReason { code message } error { type message stackTrace } outputs { value }
          attempts { status calls durationMs }
        }
      }
    }
  }`;

async function trigger(pipelineUuid: string, variables: object = {}): Promise<string> {
  const { triggerPipelineRun } = await server.query<{
    triggerPipelineRun: { pipelineRun?: { id: string }; message?: string };
  }>(
    `mutation ($p: String!, $v: JSONObject) { triggerPipelineRun(input: { pipelineUuid: $p, variables: $v }) {
       ... on TriggerPipelineRunSuccess { pipelineRun { id } } ... on UserError { message } } }`,
    { p: pipelineUuid, v: variables },
  );
  if (!triggerPipelineRun.pipelineRun) throw new Error(triggerPipelineRun.message);
  return triggerPipelineRun.pipelineRun.id;
}

const look = async (id: string) => (await server.query<{ pipelineRun: Run }>(runQuery, { id })).pipelineRun;

function ended(id: string): Promise<Run> {
  return until(`the end of ${id}`, async () => {
    const run = await look(id);
    return ['COMPLETED', 'FAILED', 'CANCELLED'].includes(run.status) && run;
  });
}

const blockOf = (run: Run, uuid: string) => run.blockRuns.nodes.find((block) => block.blockUuid === uuid)!;
const statusesOf = (run: Run) =>
  Object.fromEntries(run.blockRuns.nodes.map((block) => [block.blockUuid, block.status]));
const told = () => readFileSync(join(project.dir, 'diary'), 'utf8').trim().split('\n');

describe('a block with conditionals', () => {
  test('18: one says true, one false: each is asked once, the block and what needs it are skipped, the run completes', async () => {
    const run = await ended(await trigger('conditions'));
    expect(run.status).toBe('COMPLETED');
    expect(statusesOf(run)).toEqual({
      load: 'COMPLETED',
      guarded: 'CONDITION_FAILED',
      below: 'CONDITION_FAILED',
      join: 'COMPLETED',
    });
    expect(blockOf(run, 'guarded')).toMatchObject({
      statusReason: { code: 'CONDITION_FALSE', message: 'Its conditional objects said no.' },
      attempts: [{ status: 'CONDITION_FAILED' }],
    });
    // 38: the join after a skipped branch runs, and gets nothing from there.
    expect(blockOf(run, 'join').outputs).toMatchObject([{ value: null }, { value: 41 }]);
    expect(told()).toEqual(['agrees (41,) guarded running True True', 'objects 41 guarded']);
  });

  test('17: all say true: it runs, and each was asked once', async () => {
    const before = told().length;
    const run = await ended(await trigger('let_in'));
    expect(statusesOf(run)).toEqual({ load: 'COMPLETED', guarded: 'COMPLETED' });
    expect(told().slice(before)).toEqual(['agrees (41,) guarded running True True', 'guarded 41 1']);
  });

  test('18: one that raises counts as false, and its error is kept with its stack', async () => {
    const run = await ended(await trigger('confused'));
    expect(run.status).toBe('COMPLETED');
    expect(blockOf(run, 'load')).toMatchObject({
      status: 'CONDITION_FAILED',
      statusReason: { code: 'CONDITION_ERROR' },
      error: { type: 'ValueError', message: 'no idea', stackTrace: expect.stringContaining('broken.py') },
    });
  });
});

describe('a block with callbacks', () => {
  test('17: success is told once with the output, failure once after the last attempt with the error, and the run ends after them', async () => {
    const before = told().length;
    const run = await ended(await trigger('told'));
    expect(run.status).toBe('FAILED');
    expect(statusesOf(run)).toEqual({ load: 'COMPLETED', fail: 'FAILED', never: 'UPSTREAM_FAILED' });
    // All is told when the run has ended: nobody has to wait any more.
    expect(told().slice(before).sort()).toEqual([
      'failure fail ([],) ValueError no luck',
      'success load (41,)',
      'ts failure fail undefined no luck',
      'ts success load 41 undefined',
    ]);
  });

  test('one that fails changes no status; its error is an event and a log line', async () => {
    const run = await ended(await trigger('clumsy'));
    expect(run.status).toBe('COMPLETED');
    const { pipelineRun } = await server.query<{
      pipelineRun: {
        events: { nodes: { kind: string; blockUuid: string; reason: { message: string } }[] };
        logs: { nodes: { message: string }[] };
      };
    }>(
      `query ($id: ID!) { pipelineRun(id: $id) { events(first: 50) { nodes { kind blockUuid reason { message } } } logs(first: 50) { nodes { message } } } }`,
      { id: run.id },
    );
    const failed = pipelineRun.events.nodes.filter(({ kind }) => kind === 'CALLBACK_FAILED');
    expect(failed).toMatchObject([
      { blockUuid: 'load', reason: { message: expect.stringContaining('stumble failed: stumbled') } },
    ]);
    expect(pipelineRun.logs.nodes.map(({ message }) => message).join()).toContain('stumbled');
  });

  test('a cancel is told only of what had started', async () => {
    const before = told().length;
    const id = await trigger('slow_news');
    await until('the block waits', async () => blockOf(await look(id), 'wait').status === 'RUNNING');
    await server.query(
      `mutation ($id: ID!) { cancelPipelineRuns(input: { selection: { ids: [$id] } }) { error { message } } }`,
      { id },
    );
    const run = await ended(id);
    expect(statusesOf(run)).toEqual({ wait: 'CANCELLED', later: 'CANCELLED' });
    expect(told().slice(before)).toEqual(['cancelled wait cancelled']);
  });
});

describe('a sensor', () => {
  test('is asked until it says yes, in one attempt that counts its calls, and hands on nothing', async () => {
    const run = await ended(await trigger('sensing'));
    expect(statusesOf(run)).toEqual({ third_time: 'COMPLETED', second_time: 'COMPLETED', after: 'COMPLETED' });
    expect(blockOf(run, 'third_time').attempts).toMatchObject([{ status: 'COMPLETED', calls: 3 }]);
    expect(blockOf(run, 'second_time').attempts).toMatchObject([{ status: 'COMPLETED', calls: 2 }]);
    expect(blockOf(run, 'after').outputs).toMatchObject([{ value: { one: [], other: [] } }]);
    const { pipelineRun } = await server.query<{ pipelineRun: { events: { nodes: { blockUuid: string | null }[] } } }>(
      `query ($id: ID!) { pipelineRun(id: $id) { events(first: 50) { nodes { blockUuid } } } }`,
      { id: run.id },
    );
    // Queued, running, completed: nothing is said between the calls.
    expect(pipelineRun.events.nodes.filter(({ blockUuid }) => blockUuid === 'third_time')).toHaveLength(3);
  });

  test('waits for its next call without a worker, and is cancelled at once', async () => {
    const id = await trigger('in_vain');
    await until('it said no', async () => blockOf(await look(id), 'never_so').attempts[0]?.calls === 1);
    await server.query(
      `mutation ($id: ID!) { cancelPipelineRuns(input: { selection: { ids: [$id] } }) { error { message } } }`,
      { id },
    );
    const run = await look(id);
    expect(run.status).toBe('CANCELLED');
    expect(blockOf(run, 'never_so').attempts).toMatchObject([{ status: 'CANCELLED', calls: 1 }]);
  });

  test('is asked again on time, also when its worker has nothing else to do', async () => {
    const run = await ended(await trigger('punctual'));
    const { durationMs } = blockOf(run, 'twice').attempts[0]!;
    expect(durationMs).toBeGreaterThanOrEqual(2100);
    expect(durationMs).toBeLessThan(3900);
  });

  test('fails at its timeout, counted from its first call', async () => {
    const run = await ended(await trigger('impatient'));
    expect(blockOf(run, 'never_so')).toMatchObject({
      status: 'FAILED',
      statusReason: { code: 'TIMED_OUT', message: 'It ran longer than its timeout of 1 s.' },
      attempts: [{ status: 'FAILED', calls: 1 }],
    });
  });
});
