import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeFiles, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

const typescript = (word: string) =>
  `import { mark } from '../utils/mark.ts';\nexport default () => mark('${word}');\n`;
const python = (word: string) =>
  `from utils.mark import mark\n\n@custom\ndef say(*args, **kwargs):\n    return mark('${word}')\n`;
const project = writeProject({
  'pipelines/words/metadata.yaml': `
blocks:
- {uuid: in_typescript, type: custom, language: typescript, upstream_blocks: []}
- {uuid: in_python, type: custom, language: python, upstream_blocks: []}
`,
  'custom/in_typescript.ts': typescript('one'),
  'custom/in_python.py': python('one'),
  'utils/__init__.py': '',
  'utils/mark.ts': 'export const mark = (word: string) => word + "!";\n',
  'utils/mark.py': "def mark(word):\n    return word + '!'\n",
});
const folder = join(project.dir, 'project');
const edit = (path: string, content: string) => writeFileSync(join(folder, path), content);
let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(folder, join(project.dir, 'data'), ['--slots', '2']);
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

type Run = {
  readonly status: string;
  readonly isTerminal: boolean;
  readonly pipelineUuid: string;
  readonly pipeline: { readonly uuid: string } | null;
  readonly error: { readonly message: string } | null;
  readonly definition: { readonly version: string; readonly blocks: readonly { readonly code: string }[] };
  readonly blockRuns: { readonly nodes: readonly { readonly outputs: readonly { readonly text: string }[] }[] };
};

async function runOf(id: string): Promise<Run> {
  const { pipelineRun } = await server.query<{ pipelineRun: Run }>(
    `query($id: ID!) { pipelineRun(id: $id) { status isTerminal pipelineUuid pipeline { uuid } error { message }
       definition { version blocks { code } } blockRuns { nodes { outputs { text } } } } }`,
    { id },
  );
  return pipelineRun;
}

/** Runs a pipeline to its end. */
async function run(
  pipelineUuid: string,
): Promise<{ readonly id: string; readonly run: Run; readonly words: readonly string[] }> {
  const { triggerPipelineRun: answer } = await server.query<{
    triggerPipelineRun: { pipelineRun?: { id: string }; message?: string };
  }>(
    `mutation($uuid: String!) { triggerPipelineRun(input: {pipelineUuid: $uuid}) {
       ... on TriggerPipelineRunSuccess { pipelineRun { id } } ... on UserError { message } } }`,
    { uuid: pipelineUuid },
  );
  const id = answer.pipelineRun?.id;
  if (id === undefined) throw new Error(answer.message);
  const ended = await until(`${id} ends`, async () => {
    const run = await runOf(id);
    return run.isTerminal && run;
  });
  expect(ended).toMatchObject({ status: 'COMPLETED', error: null });
  return { id, run: ended, words: wordsOf(ended) };
}

const wordsOf = (run: Run) => run.blockRuns.nodes.map(({ outputs }) => outputs[0]!.text);

async function versionOf(uuid: string): Promise<string | null> {
  const { pipeline } = await server.query<{ pipeline: { version: string } | null }>(
    'query($uuid: String!) { pipeline(uuid: $uuid) { version } }',
    { uuid },
  );
  return pipeline?.version ?? null;
}

/** Does something to the project and waits until the server has a new version of the pipeline; null is none. */
async function seen(uuid: string, act: () => void): Promise<void> {
  const before = await versionOf(uuid);
  act();
  const at = performance.now();
  await until('the server sees it', async () => (await versionOf(uuid)) !== before, 5000);
  process.stdout.write(`an edit is seen after ${Math.round(performance.now() - at)} ms\n`);
}

test('an edited block is what the next run does, and the earlier run shows what it did', {
  timeout: 60_000,
}, async () => {
  const first = await run('words');
  expect(first.words).toEqual(['one!', 'one!']);
  await seen('words', () => edit('custom/in_typescript.ts', typescript('two')));
  expect((await run('words')).words).toEqual(['two!', 'one!']);
  await seen('words', () => edit('custom/in_python.py', python('three')));
  const third = await run('words');
  expect(third.words).toEqual(['two!', 'three!']);

  const earlier = await runOf(first.id);
  expect(wordsOf(earlier)).toEqual(['one!', 'one!']);
  expect(earlier.definition).toEqual(first.run.definition);
  expect(earlier.definition.blocks.map(({ code }) => code)).toEqual([typescript('one'), python('one')]);
  expect(third.run.definition.blocks.map(({ code }) => code)).toEqual([typescript('two'), python('three')]);
});

test('edited code that blocks import is what the next run does', { timeout: 60_000 }, async () => {
  const [ts, py] = (await run('words')).words.map((word) => word.replace('!', '?'));
  edit('utils/mark.ts', 'export const mark = (word: string) => word + "?";\n');
  edit('utils/mark.py', "def mark(word):\n    return word + '?'\n");
  expect((await run('words')).words).toEqual([ts, py]);
});

test('a new pipeline appears, and a removed one keeps its runs', { timeout: 60_000 }, async () => {
  await seen('later', () =>
    writeFiles(folder, {
      'custom/later.ts': 'export default () => "came later";',
      'pipelines/later/metadata.yaml':
        'blocks:\n- {uuid: later, type: custom, language: typescript, upstream_blocks: []}\n',
    }),
  );
  const { id, words, run: done } = await run('later');
  expect(words).toEqual(['came later']);
  expect(done.pipeline).toEqual({ uuid: 'later' });

  await seen('later', () => {
    rmSync(join(folder, 'pipelines/later'), { recursive: true });
    rmSync(join(folder, 'custom/later.ts'));
  });
  await expect(run('later')).rejects.toThrow(/later/);
  const kept = await runOf(id);
  expect(kept).toEqual({ ...done, pipeline: null });
  const { pipelineRuns } = await server.query<{ pipelineRuns: { nodes: { id: string }[] } }>(
    '{ pipelineRuns(filter: {pipelineUuid: {eq: "later"}}) { nodes { id } } }',
  );
  expect(pipelineRuns.nodes).toEqual([{ id }]);
});
