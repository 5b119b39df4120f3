import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Json } from '../../src/domain/pipeline.ts';
import type { Answerer, AttemptOutcome, AttemptTask, BlockReply, Executor } from '../../src/worker/executor.ts';
import { openPythonHouse, type PythonHouse } from './python-attempts.ts';
import { createProject, inlineOf } from './typescript-project.ts';

/** What blocks ask of their worker while they run, through the pipe that each language has. */

const run = {
  pipelineRunId: 12,
  pipelineUuid: 'child',
  status: 'completed',
  reason: 'Fine.',
  executionDate: '2024-05-01T08:00:00.000Z',
};
const yes = (value: Json): BlockReply => ({ ok: true, value });

let house: PythonHouse;
let project: ReturnType<typeof createProject>;
beforeAll(async () => {
  house = await openPythonHouse();
  project = createProject({ slots: 1 });
});
afterAll(async () => {
  await house.close();
  await project[Symbol.asyncDispose]();
});

let fences = 0;

function start(executor: Executor, code: string, answer: Answerer) {
  const isPython = executor === house.executor;
  const task: AttemptTask = {
    pipelineRunId: 1,
    blockRunId: 1,
    pipelineUuid: 'parent',
    blockUuid: 'asks',
    blockType: 'custom',
    attempt: 1,
    retryAttempt: 1,
    fence: ++fences,
    file: join(
      isPython ? house.projectDir : project.projectDir,
      isPython ? 'custom/asks.py' : `custom/asks${fences}.ts`,
    ),
    code,
    configuration: {},
    variables: {},
    timezone: null,
    inputs: [],
    outputsRoot: isPython ? house.outputsRoot : project.outputsRoot,
    outputPath: `1/asks/${fences}`,
  };
  return executor.run(task, () => {}, answer);
}

/** Runs a block whose questions are answered by `answer`; its outcome and what it asked. */
async function ask(executor: Executor, code: string, answer: (request: Json) => BlockReply | Promise<BlockReply>) {
  const asked: Json[] = [];
  const { outcome } = start(executor, code, async (request) => {
    asked.push(request as Json);
    return answer(request as Json);
  });
  return { asked, outcome: await outcome };
}

function messageOf(outcome: AttemptOutcome): string {
  return outcome.status === 'failed' ? `${outcome.error.type}: ${outcome.error.message}` : outcome.status;
}

const python = (call: string) => `from mage_ai.orchestration.triggers.api import trigger_pipeline
from mage_ai.orchestration.run_status_checker import check_status
import datetime
@custom
def f():
    ${call}
`;
const typescript = (body: string) => `export default async ({ context, signal }) => { ${body} };`;

test('a Python block starts a run, and gets it as an object', async () => {
  const call = `r = trigger_pipeline('child', variables={'day': datetime.date(2024, 5, 1), 'n': 1}, schedule_name='nightly')
    return {'all': [r.id, r.pipeline_uuid, r.status, r.execution_date.isoformat(), r.variables['n']]}`;
  const { asked, outcome } = await ask(house.executor, python(call), () => yes({ ...run, status: 'initial' }));
  expect(inlineOf(outcome)).toEqual({ all: [12, 'child', 'initial', '2024-05-01T08:00:00', 1] });
  expect(asked).toEqual([
    {
      method: 'triggerPipeline',
      pipelineUuid: 'child',
      variables: { day: '2024-05-01', n: 1 },
      triggerName: 'nightly',
      waits: false,
      patienceSeconds: null,
    },
  ]);
});

test.each([
  ["trigger_pipeline('child', check_status=True)", { status: 'failed' }, 'completed'],
  [
    "trigger_pipeline('child', check_status=True, error_on_failure=True)",
    { status: 'failed', reason: 'load failed.' },
    'ChildRunError: run_12 of pipeline child is failed: load failed.',
  ],
  [
    "trigger_pipeline('child', check_status=True, poll_timeout=5)",
    { status: 'running' },
    'TimeoutError: run_12 of pipeline child has not ended within 5 seconds.',
  ],
])('%s of a run that is %j comes to: %s', async (call, state, result) => {
  const { outcome, asked } = await ask(house.executor, python(call), () => yes({ ...run, ...state }));
  expect(messageOf(outcome)).toBe(result);
  expect(asked).toMatchObject([{ waits: true }]);
});

test('a Python block asks whether another pipeline has completed', async () => {
  const call = "return {'done': check_status('child', datetime.datetime(2024, 5, 1), block_uuid='load', hours=2)}";
  const { asked, outcome } = await ask(house.executor, python(call), () => yes(true));
  expect(inlineOf(outcome)).toEqual({ done: true });
  expect(asked).toEqual([
    {
      method: 'hasCompleted',
      pipelineUuid: 'child',
      blockUuid: 'load',
      executionDate: '2024-05-01T00:00:00+00:00',
      hours: 2,
    },
  ]);
});

test('threads of a Python block ask one after the other, and each hears its own answer', async () => {
  const call = `from concurrent.futures import ThreadPoolExecutor
    names = ['a', 'b', 'c', 'd', 'e', 'f']
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda name: trigger_pipeline(name, verbose=False).id, names))
    return {'ids': runs}`;
  const { outcome } = await ask(house.executor, python(call), (request) =>
    yes({ ...run, pipelineRunId: (request as { pipelineUuid: string }).pipelineUuid.charCodeAt(0) }),
  );
  expect(inlineOf(outcome)).toEqual({ ids: [97, 98, 99, 100, 101, 102] });
});

test('a refusal is an exception with its sentence, in either language', async () => {
  const no = (): BlockReply => ({ ok: false, type: 'NOT_FOUND', message: 'There is no pipeline named "child".' });
  const fromPython = await ask(house.executor, python("trigger_pipeline('child')"), no);
  expect(messageOf(fromPython.outcome)).toBe('CallRefusedError: There is no pipeline named "child".');
  const fromTypeScript = await ask(project.executor, typescript("await context.triggerPipeline('child')"), no);
  expect(messageOf(fromTypeScript.outcome)).toBe('NOT_FOUND: There is no pipeline named "child".');
});

test('where nobody answers, as in a condition, a block hears that', async () => {
  const { outcome } = await house.run(python("trigger_pipeline('child')"));
  expect(messageOf(outcome)).toMatch(/^CallRefusedError: A condition or a callback can start no runs/);
});

test('a TypeScript block starts runs, several at once, and each call hears its own answer', async () => {
  const body = `const runs = await Promise.all(['a', 'b'].map((name) => context.triggerPipeline(name, { variables: { name }, trigger: 'nightly' })));
    return runs;`;
  const isSecondAsked = Promise.withResolvers<void>();
  const { asked, outcome } = await ask(project.executor, typescript(body), async (request) => {
    const { pipelineUuid } = request as { pipelineUuid: string };
    // The first is answered after the second.
    if (pipelineUuid === 'a') await isSecondAsked.promise;
    else isSecondAsked.resolve();
    return yes({ ...run, pipelineRunId: pipelineUuid.charCodeAt(0), status: 'initial' });
  });
  expect(inlineOf(outcome)).toEqual([
    { pipelineRunId: 97, status: 'initial' },
    { pipelineRunId: 98, status: 'initial' },
  ]);
  expect(asked[0]).toEqual({
    method: 'triggerPipeline',
    pipelineUuid: 'a',
    variables: { name: 'a' },
    triggerName: 'nightly',
    waits: false,
    patienceSeconds: null,
  });
});

test('a TypeScript block that waits hears of a bad end by an error', async () => {
  const waits = typescript("return (await context.triggerPipeline('child', { wait: true })).status;");
  expect(inlineOf((await ask(project.executor, waits, () => yes(run))).outcome)).toBe('completed');
  const bad = await ask(project.executor, waits, () => yes({ ...run, status: 'cancelled', reason: 'Enough.' }));
  expect(messageOf(bad.outcome)).toBe('ChildRunError: run_12 of pipeline child is cancelled: Enough.');
});

test('a question that nobody waits for neither keeps the process nor reaches the next attempt', async () => {
  const late = Promise.withResolvers<BlockReply>();
  const first = await ask(
    project.executor,
    typescript("void context.triggerPipeline('child'); return 1;"),
    () => late.promise,
  );
  expect(inlineOf(first.outcome)).toBe(1);
  const second = start(
    project.executor,
    typescript("return (await context.triggerPipeline('other')).status;"),
    async () => {
      late.resolve(yes({ ...run, status: 'failed' }));
      await late.promise;
      return yes({ ...run, status: 'running' });
    },
  );
  expect(inlineOf(await second.outcome)).toBe('running');
});

test('more blocks that wait than slots do not keep the one that they wait for from running', async () => {
  const done = new EventEmitter();
  const parent = start(
    project.executor,
    typescript("return (await context.triggerPipeline('child', { wait: true })).status;"),
    async () => {
      await once(done, 'child');
      return yes(run);
    },
  );
  const child = start(project.executor, typescript('return 1;'), async () => yes(null));
  expect(inlineOf(await child.outcome)).toBe(1);
  done.emit('child');
  expect(inlineOf(await parent.outcome)).toBe('completed');
});

test.each(['python', 'typescript'] as const)('a %s block that waits is stopped like any other', async (language) => {
  const asked = Promise.withResolvers<void>();
  const [executor, code] =
    language === 'python'
      ? ([house.executor, python("trigger_pipeline('child', check_status=True)")] as const)
      : ([
          project.executor,
          typescript("signal.aborted; await context.triggerPipeline('child', { wait: true });"),
        ] as const);
  const running = start(executor, code, () => {
    asked.resolve();
    return new Promise(() => {});
  });
  await asked.promise;
  running.stop(60_000);
  expect((await running.outcome).status).toBe('stopped');
});
