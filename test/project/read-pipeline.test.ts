import { expect, test } from 'vitest';
import { code, pipelineOf, read, readDaily, told } from './support/project-folder.ts';

test('a pipeline of an existing Mage project is read as it stands', async () => {
  const daily = await readDaily(
    `uuid: daily
name: Daily sales
type: python
description: null
tags: [finance, 2024]
created_at: '2024-05-01 10:00:00+00:00'
variables: {TOP_N: 10, "template": "{{ env_var('X') }}", on_sale: yes, since: 2024-05-01, mode: 0777, most: 1_000}
variables_dir: /home/somebody/.mage_data
concurrency_config: {block_run_limit: 2, pipeline_run_limit: 0, on_pipeline_run_limit_reached: skip}
widgets: []
callbacks: []
conditionals: null
extensions: {}
blocks:
- uuid: load_sales
  name: load sales
  type: data_loader
  language: python
  upstream_blocks: []
  downstream_blocks: [clean]
  configuration: {}
  executor_config: null
  retry_config: {retries: 2}
  timeout: 600
  has_callback: false
  status: updated
  color: null
- uuid: clean
  type: transformer
  language: null
  upstream_blocks: [load_sales]
  downstream_blocks: null
  configuration: null
  trigger_rule: all_done
  crash_retries: 0
  executor_config: {label: gpu}
- uuid: note
  type: markdown
  language: markdown
  upstream_blocks: []
`,
    { 'data_loaders/load_sales.py': code, 'transformers/clean.py': `${code}# clean` },
  );
  expect(told(daily.problems)).toEqual([]);
  expect(daily.isRunnable).toBe(true);
  expect(daily.definition).toMatchObject({
    uuid: 'daily',
    name: 'Daily sales',
    type: 'python',
    description: null,
    tags: ['finance', '2024'],
    // As Python's yaml reads them, but dates as they are written; templates are not filled in.
    variables: { TOP_N: 10, template: "{{ env_var('X') }}", on_sale: true, since: '2024-05-01', mode: 511, most: 1000 },
    concurrency: {
      blockRunLimit: 2,
      pipelineRunLimit: 0,
      pipelineRunLimitAllTriggers: null,
      onPipelineRunLimitReached: 'skip',
    },
  });
  const [loader, clean, note] = daily.definition.blocks;
  expect(loader).toEqual({
    uuid: 'load_sales',
    name: 'load sales',
    type: 'data_loader',
    language: 'python',
    upstreamBlocks: [],
    downstreamBlocks: ['clean'],
    conditionals: [],
    callbacks: [],
    file: 'data_loaders/load_sales.py',
    code,
    configuration: {},
    retryConfig: { retries: 2, delaySeconds: 5, maxDelaySeconds: 60, exponentialBackoff: true, retryOnTimeout: false },
    crashRetries: 2,
    timeoutSeconds: 600,
    triggerRule: 'all_success',
    executorType: 'local_python',
    label: 'default',
  });
  expect(clean).toMatchObject({
    name: 'clean',
    language: 'python',
    upstreamBlocks: ['load_sales'],
    triggerRule: 'all_done',
    crashRetries: 0,
    label: 'gpu',
    code: `${code}# clean`,
  });
  expect(note).toMatchObject({ type: 'markdown', file: null, code: null });
});

test("the folder's name is the pipeline's, whatever its file says", async () => {
  const daily = await readDaily('uuid: copied\nblocks:\n- {uuid: a, type: custom}\n', { 'custom/a.py': code });
  expect(daily.definition).toMatchObject({ uuid: 'daily', name: 'daily' });
  expect(daily.isRunnable).toBe(true);
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(/^warning pipelines\/daily\/metadata.yaml:1 The file says uuid "copied"/),
  ]);
});

test('a slip in a key is told with the key that was meant; other unknown keys are nobody’s business', async () => {
  const daily = await readDaily(
    'variabels: {a: 1}\nwhatever: 1\nblocks:\n- uuid: a\n  type: custom\n  upstream_block: [b]\n  retry_config: {retires: 3}\n',
    { 'custom/a.py': code },
  );
  expect(told(daily.problems)).toEqual([
    'warning pipelines/daily/metadata.yaml:1 "variabels" is not a key that is known here, and is ignored. Did you mean "variables"?',
    'warning pipelines/daily/metadata.yaml:6 "upstream_block" is not a key that is known here, and is ignored. Did you mean "upstream_blocks"?',
    'warning pipelines/daily/metadata.yaml:7 "retires" is not a key that is known here, and is ignored. Did you mean "retries"?',
  ]);
  expect(daily.isRunnable).toBe(true);
});

test('a value of the wrong kind is one problem with its line, and hides no other', async () => {
  const daily = await readDaily(
    `tags: [[a]]
variables: [1]
concurrency_config: {block_run_limit: many}
blocks:
- uuid: a
  type: custom
  timeout: -1
  trigger_rule: sometimes
  retry_config: {exponential_backoff: maybe, retries: 1.5}
- just a word
`,
    { 'custom/a.py': code },
  );
  expect(told(daily.problems).map((line) => line.replace('error pipelines/daily/metadata.yaml:', ''))).toEqual([
    '10 An item of "blocks" must hold "key: value" lines. Write "- uuid: …" or remove the item.',
    '9 "retries" is 1.5; it must be a whole number, at least 0.',
    '9 "exponential_backoff" is "maybe"; it must be true or false.',
    '7 "timeout" is -1; it must be a number, at least 0.',
    '8 "trigger_rule" is "sometimes"; it must be one of all_success, none_failed, all_done, one_success.',
    '1 "tags" is a list; it must be a list of names.',
    '2 "variables" is a list; it must be a mapping of names to values.',
    '3 "block_run_limit" is "many"; it must be a whole number, at least 0.',
  ]);
});

test('anchors, merge keys and repeated keys are read as Python reads them', async () => {
  const daily = await readDaily(
    `defaults: &defaults {type: custom, retry_config: {retries: 3}}
name: first
name: second
blocks:
- {<<: *defaults, uuid: a}
- {<<: *defaults, uuid: b, upstream_blocks: [a]}
`,
    { 'custom/a.py': code, 'custom/b.py': code },
  );
  expect(daily.definition.name).toBe('second');
  expect(daily.definition.blocks.map((block) => [block.uuid, block.retryConfig.retries])).toEqual([
    ['a', 3],
    ['b', 3],
  ]);
  expect(told(daily.problems)).toEqual([expect.stringContaining('metadata.yaml:3 This key stands twice')]);
});

test('of a repeated key, the line that counts is the one that is named', async () => {
  const daily = await readDaily('tags: [a]\ntags: {a: 1}\nblocks: [{uuid: a, type: custom}]', { 'custom/a.py': code });
  expect(told(daily.problems)).toContain(
    'error pipelines/daily/metadata.yaml:2 "tags" is a mapping; it must be a list of names.',
  );
});

test.for([
  ['a tab as indentation', 'blocks:\n- uuid: a\n\ttype: custom\n', 3],
  ['an unclosed quote', 'name: "daily\nblocks: []\n', 3],
  ['a list at the top', '- uuid: a\n', 1],
  ['an empty file', '', 1],
  ['a character that can not be stored', 'name: "a\\0b"\nblocks: []\n', 1],
] as const)('%s is a problem of its pipeline only, with its line', async ([, metadata, line]) => {
  const project = await read({
    'pipelines/broken/metadata.yaml': metadata,
    'pipelines/fine/metadata.yaml': 'blocks: [{uuid: a, type: custom}]',
    'custom/a.py': code,
  });
  const broken = pipelineOf(project, 'broken');
  expect(broken.isRunnable).toBe(false);
  expect(broken.definition).toMatchObject({ uuid: 'broken', blocks: [] });
  expect(broken.problems[0]).toMatchObject({ severity: 'error', file: 'pipelines/broken/metadata.yaml', line });
  expect(pipelineOf(project, 'fine')).toMatchObject({ isRunnable: true, problems: [] });
});

test('yaml that would take the machine down is refused like any other', async () => {
  const bomb = [
    'a: &a [x]',
    ...[...'bcdefghi'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`),
  ];
  const daily = await readDaily(bomb.join('\n'));
  expect(told(daily.problems)).toEqual([expect.stringContaining("It can't be read as yaml: Excessive alias count")]);
  const deep = await readDaily(`name: ${'['.repeat(20_000)}`);
  expect(deep.isRunnable).toBe(false);
  expect(told(deep.problems)).toEqual([expect.stringMatching(/nested too deep|valid yaml/)]);
});

test('of a file of several documents none is chosen silently', async () => {
  const daily = await readDaily('name: one\nblocks: [{uuid: a, type: custom}]\n---\nname: two\n', {
    'custom/a.py': code,
  });
  expect(told(daily.problems)).toEqual([
    expect.stringMatching(/^error pipelines\/daily\/metadata.yaml:3 The file holds several documents/),
  ]);
  // Closing marks are no second document.
  const whole = await readDaily('---\nname: one\nblocks: [{uuid: a, type: custom}]\n...\n', { 'custom/a.py': code });
  expect(whole).toMatchObject({ isRunnable: true, problems: [] });
});

test('numbers that JSON does not know are null', async () => {
  const daily = await readDaily('variables: {a: .nan, b: -.inf, c: 1.5e+3}\nblocks: [{uuid: a, type: custom}]', {
    'custom/a.py': code,
  });
  expect(daily.definition.variables).toEqual({ a: null, b: null, c: 1500 });
});

test('a name is a name, also where another reader of yaml would see a number or a truth', async () => {
  const names = ['e1', 'E5', 'n', 'y', '1e3'];
  const blocks = names.map((uuid) => `- {uuid: ${uuid}, type: custom, language: python}`).join('\n');
  const daily = await readDaily(
    `variables: {here: ., one: 1., half: .5, plus: +.5, ten: 1_0.5}\nblocks:\n${blocks}`,
    Object.fromEntries(names.map((uuid) => [`custom/${uuid}.py`, code])),
  );
  expect(told(daily.problems)).toEqual([]);
  expect(daily.definition.blocks.map((block) => block.uuid)).toEqual(names);
  expect(daily.definition.variables).toEqual({ here: '.', one: 1, half: 0.5, plus: '+.5', ten: 10.5 });
});

test('a pipeline folder without metadata.yaml says so; an empty leftover is passed over', async () => {
  const project = await read({
    'pipelines/half/triggers.yaml': 'triggers: []',
    'pipelines/gone/__pycache__/x.pyc': '',
    'pipelines/gone/.variables/x': '',
    'pipelines/README.md': '',
  });
  expect(project.pipelines.map((pipeline) => pipeline.uuid)).toEqual(['half']);
  expect(told(pipelineOf(project, 'half').problems)).toEqual([
    'error pipelines/half/metadata.yaml:- This pipeline folder has no metadata.yaml. Add one that lists its blocks, or remove the folder.',
  ]);
});

test('a pipeline without a block to run can not run', async () => {
  const daily = await readDaily('name: x\nblocks: [{uuid: note, type: markdown}]\n');
  expect(told(daily.problems)).toEqual([
    'error pipelines/daily/metadata.yaml:2 The pipeline has no block to run. Add at least one under "blocks:".',
  ]);
});
