import { execFile } from 'node:child_process';
import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { NotAProject } from '../../src/project/not-a-project.ts';
import { createProjectCache } from '../../src/project/project-cache.ts';
import { readProject } from '../../src/project/read-project.ts';
import { code, metadataOf, pipelineOf, projectFolder, read, readDaily, told, write } from './support/project-folder.ts';

test.for([
  ['nowhere', 'DIRECTORY_MISSING', /^There is no folder/],
  ['custom/a.py', 'NOT_A_DIRECTORY', /is a file\. Name the folder/],
  ['custom', 'NO_PROJECT', /holds no project: neither metadata.yaml nor pipelines\/\. A project holds/],
  ['..', 'NO_PROJECT', /Did you mean .*shop\?$/],
] as const)('serving %s is refused with a sentence', async ([path, errorCode, sentence]) => {
  const dir = await projectFolder({ 'custom/a.py': code, 'pipelines/daily/metadata.yaml': 'blocks: []' });
  const refusal = await readProject(join(dir, path), { env: {} }).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(NotAProject);
  expect(refusal).toMatchObject({ code: errorCode, message: expect.stringMatching(sentence) });
});

test('the settings of a project are read, with templates filled in', async () => {
  const project = await read(
    {
      'metadata.yaml': `project_type: standalone
variables_dir: ~/.mage_data
queue_config: {concurrency: {{ env_var('SLOTS') }}}
retry_config: {retries: 1, max_delay: 10}
`,
    },
    { SLOTS: '7' },
  );
  expect(project).toMatchObject({
    name: 'shop',
    problems: [],
    settings: {
      queueConcurrency: 7,
      variablesDir: '~/.mage_data',
      retryConfig: {
        retries: 1,
        delaySeconds: 5,
        maxDelaySeconds: 10,
        exponentialBackoff: true,
        retryOnTimeout: false,
      },
    },
  });
});

test('settings that can not be read are told, and the pipelines are served all the same', async () => {
  const project = await read({
    'metadata.yaml': 'queue_config: {concurrency: none}\nretry_config: [',
    'io_config.yaml': "default:\n  POSTGRES_HOST: {{ env_var('PGHOST') }}\n PORT: 1\n",
    'pipelines/daily/metadata.yaml': 'blocks: [{uuid: a, type: custom}]',
    'custom/a.py': code,
  });
  expect(told(project.problems)).toEqual([
    expect.stringMatching(/^error metadata.yaml:\d It is not valid yaml/),
    expect.stringMatching(/^warning io_config.yaml:2 The environment variable PGHOST is not set/),
    expect.stringMatching(/^error io_config.yaml:\d It is not valid yaml/),
  ]);
  expect(pipelineOf(project, 'daily').isRunnable).toBe(true);
});

test('retries are set for the project, a pipeline, a block; what is null or missing is inherited', async () => {
  const daily = await readDaily(
    `retry_config: {delay: 2, retries: null}
blocks:
- {uuid: a, type: custom, retry_config: {retries: 9}}
- {uuid: b, type: custom, retry_config: null}
- {uuid: c, type: custom, retry_config: {exponential_backoff: false, retries: 0}}
`,
    {
      'metadata.yaml': 'retry_config: {retries: 3}',
      'custom/a.py': code,
      'custom/b.py': code,
      'custom/c.py': code,
    },
  );
  const rest = { delaySeconds: 2, maxDelaySeconds: 60, retryOnTimeout: false };
  expect(daily.definition.retryConfig).toEqual({ ...rest, retries: 3, exponentialBackoff: true });
  expect(daily.definition.blocks.map((block) => block.retryConfig)).toEqual([
    { ...rest, retries: 9, exponentialBackoff: true },
    { ...rest, retries: 3, exponentialBackoff: true },
    { ...rest, retries: 0, exponentialBackoff: false },
  ]);
});

test('limits that a pipeline leaves open come from the environment', async () => {
  const env = { CONCURRENCY_CONFIG_BLOCK_RUN_LIMIT: '4', CONCURRENCY_CONFIG_PIPELINE_RUN_LIMIT: '5' };
  const daily = await readDaily('concurrency_config: {block_run_limit: 1}\nblocks: null', {}, env);
  expect(daily.definition.concurrency).toMatchObject({ blockRunLimit: 1, pipelineRunLimit: 5 });
});

test('a version names the definition and its code: it moves with either, and with nothing else', async () => {
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': `variables: {a: 1, b: 2}\n${metadataOf({ a: [] })}`,
    'custom/any.py': code,
  });
  const version = async () => pipelineOf(await readProject(dir, { env: {} }), 'daily').version;
  const first = await version();
  expect(first).toMatch(/^[0-9a-f]{16}$/);

  await write(dir, {
    'pipelines/daily/metadata.yaml': `# said anew\n${metadataOf({ a: [] })}variables: {b: 2, a: 1}\n`,
  });
  await write(dir, { 'custom/other.py': code });
  expect(await version()).toBe(first);

  await write(dir, { 'custom/any.py': `${code}# edited` });
  const edited = await version();
  expect(edited).not.toBe(first);

  await write(dir, { 'pipelines/daily/metadata.yaml': `variables: {a: 1, b: 3}\n${metadataOf({ a: [] })}` });
  expect(await version()).not.toBe(edited);
});

test('with a cache, what did not change is the same object as before, and any edit is seen', async () => {
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': metadataOf({ a: [] }),
    'pipelines/other/metadata.yaml': 'blocks: [{uuid: b, type: custom}]',
    'custom/any.py': code,
  });
  const path = join(dir, 'custom/any.py');
  const longAgo = new Date(1_000_000_000_000);
  await utimes(path, longAgo, longAgo);
  const cache = createProjectCache();
  const env = {};
  const readAgain = async () => {
    const project = await readProject(dir, { env, cache });
    return { daily: pipelineOf(project, 'daily'), other: pipelineOf(project, 'other') };
  };
  const first = await readAgain();
  const second = await readAgain();
  expect(second.daily).toBe(first.daily);
  expect(second.other).toBe(first.other);

  // Of the same length and with its old time put back: only the file's change time tells.
  await writeFile(path, code.replace('1', '2'));
  await utimes(path, longAgo, longAgo);
  const third = await readAgain();
  expect(third.daily.definition.blocks[0]?.code).toBe(code.replace('1', '2'));
  expect(third.other).toBe(first.other);

  // A file that was looked for in vain is looked for again.
  expect(third.other.isRunnable).toBe(false);
  await write(dir, { 'custom/b.py': code });
  expect((await readAgain()).other.isRunnable).toBe(true);

  // So are the triggers, and what the project sets for all.
  await write(dir, { 'pipelines/other/triggers.yaml': 'triggers: [{name: t, schedule_type: api, envs: [prod]}]' });
  expect((await readAgain()).other.triggers).toHaveLength(1);
  const inDevelopment = await readProject(dir, { env: { ENV: 'dev' }, cache });
  expect(pipelineOf(inDevelopment, 'other').triggers).toEqual([]);
  await write(dir, { 'metadata.yaml': 'retry_config: {retries: 4}' });
  expect((await readAgain()).other.definition.retryConfig.retries).toBe(4);
});

test('a cache forgets what is gone', async () => {
  const dir = await projectFolder({ 'pipelines/daily/metadata.yaml': metadataOf({ a: [] }), 'custom/any.py': code });
  const cache = createProjectCache();
  await readProject(dir, { env: {}, cache });
  expect(cache.files.size).toBe(3);
  await rm(join(dir, 'pipelines/daily'), { recursive: true });
  expect((await readProject(dir, { env: {}, cache })).pipelines).toEqual([]);
  expect([...cache.files.keys()]).toEqual([expect.stringMatching(/metadata.yaml$/)]);
  expect(cache.pipelines.size).toBe(0);
});

test('a project of more files than a process may open is read all the same', async () => {
  const blocks = Array.from({ length: 400 }, (_, index) => `b${index}`);
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': `blocks: [${blocks.map((uuid) => `{uuid: ${uuid}, type: custom}`).join(', ')}]`,
    ...Object.fromEntries(blocks.map((uuid) => [`custom/${uuid}.py`, code])),
  });
  const reader = new URL('../../src/project/read-project.ts', import.meta.url).href;
  const script = `import(${JSON.stringify(reader)}).then(async ({ readProject }) => {
    const { pipelines } = await readProject(${JSON.stringify(dir)}, { env: {} });
    console.log(pipelines[0].isRunnable, pipelines[0].definition.blocks.length);
  })`;
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    'ulimit -n 100; exec "$0" -e "$1"',
    process.execPath,
    script,
  ]);
  expect(stdout).toBe('true 400\n');
});
