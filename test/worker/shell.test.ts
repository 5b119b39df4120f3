import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { OutputManifest } from '../../src/domain/outputs.ts';
import { readTableFile } from '../../src/outputs/table-file.ts';
import type { AttemptInput, AttemptTask, LogEntry } from '../../src/worker/executor.ts';
import { createShellExecutor } from '../../src/worker/executors/shell.ts';
import { isAlive } from './living.ts';

/** A project folder with a shell executor of its own: `await using project = await createProject()`. */
async function createProject() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'penstock-sh-')));
  const projectDir = join(root, 'shop');
  await mkdir(projectDir);
  const guarded = new Set<number>();
  const executor = createShellExecutor({
    projectDir,
    watchdog: { guard: (group) => guarded.add(group), release: (group) => guarded.delete(group) },
    env: { PATH: process.env.PATH, PENSTOCK_SECRET: 'hidden', TEAM: 'sales' },
  });
  let fence = 0;

  function start(code: string, given: Partial<AttemptTask> = {}) {
    fence += 1;
    const lines: LogEntry[] = [];
    const spoken = Promise.withResolvers<string>();
    const running = executor.run(
      {
        pipelineRunId: 7,
        blockRunId: 70,
        pipelineUuid: 'sales',
        blockUuid: 'load',
        blockType: 'custom',
        attempt: 1,
        retryAttempt: 1,
        fence,
        file: join(projectDir, 'custom/load.sh'),
        code,
        configuration: {},
        variables: {},
        timezone: null,
        inputs: [],
        outputsRoot: join(root, 'outputs'),
        outputPath: `7/load/${fence}`,
        ...given,
      },
      (entry) => {
        lines.push(entry);
        spoken.resolve(entry.message);
      },
    );
    return { ...running, lines, spoken: spoken.promise };
  }

  return {
    projectDir,
    guarded,
    executor,
    start,
    fileOf: (output: OutputManifest | undefined) => join(root, 'outputs', output?.path ?? '', output?.file ?? ''),
    async run(code: string, given: Partial<AttemptTask> = {}) {
      const { outcome, lines } = start(code, given);
      const settled = await outcome;
      return { outcome: settled, output: settled.outputs[0], said: lines.map((line) => line.message), lines };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await executor.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function above(...outputs: readonly OutputManifest[]): AttemptInput {
  return { blockUuid: 'above', status: 'completed', outputs };
}

test('a script says what it does, line by line, and is told from which stream', async () => {
  await using project = await createProject();
  const { outcome, lines } = await project.run('echo one; echo two >&2; printf three');
  expect(outcome.status).toBe('completed');
  expect(outcome.outputs).toEqual([]);
  expect(lines.map(({ stream, level, message }) => [stream, level, message])).toEqual(
    expect.arrayContaining([
      ['stdout', 'info', 'one'],
      ['stderr', 'error', 'two'],
      ['stdout', 'info', 'three'],
    ]),
  );
  expect(project.guarded.size).toBe(0);
});

test('variables arrive in capitals, what is no string as JSON, and our own secrets do not', async () => {
  await using project = await createProject();
  const { said } = await project.run(
    'echo "$VAR_TOP_N|$VAR_NAME_OF_SHOP|$VAR_LIST|$ENV|$TEAM|$(printenv PENSTOCK_SECRET || echo none)|$MAGE_RUNTIME__REPO_PATH"; pwd',
    { variables: { top_n: 10, 'name of shop': "O'Neil $HOME", list: [1, { a: null }] } },
  );
  expect(said).toEqual([
    `10|O'Neil $HOME|[1,{"a":null}]|prod|sales|none|${project.projectDir}`,
    project.projectDir.replace(/\/shop$/, ''),
  ]);
});

test('JSON in $OUTPUT is the output: rows are a table, small values stand in the manifest', async () => {
  await using project = await createProject();
  const value = await project.run(`echo '{"a": [1, 2.5, null]}' > "$OUTPUT"`);
  expect(value.output).toMatchObject({ name: 'output_0', kind: 'json', inline: { a: [1, 2.5, null] } });
  const rows = await project.run(`echo '[{"id": 1, "name": "x"}, {"id": 2, "name": null}]' > "$OUTPUT"`);
  expect(rows.output).toMatchObject({
    kind: 'table',
    rowCount: 2,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'string' },
    ],
    inline: [
      { id: 1, name: 'x' },
      { id: 2, name: null },
    ],
  });
  const many = await project.run(
    `{ echo '[{"id": 0}'; for i in $(seq 1 999); do echo ",{\\"id\\": $i}"; done; echo ']'; } > "$OUTPUT_JSON"`,
  );
  expect(many.output).toMatchObject({ kind: 'table', format: 'jsonl', rowCount: 1000 });
  expect(readFileSync(project.fileOf(many.output), 'utf8').split('\n').at(999)).toBe('{"id":999}');
});

test('a CSV file is an output too, by $OUTPUT_CSV or by output_format', async () => {
  await using project = await createProject();
  const script = (name: string) => `printf 'id,name\\n1,"a, b"\\n2,c\\n' > "$${name}"`;
  for (const { output } of [
    await project.run(script('OUTPUT_CSV')),
    await project.run(script('OUTPUT'), { configuration: { output_format: 'csv' } }),
  ]) {
    expect(output).toMatchObject({ kind: 'table', format: 'csv', rowCount: 2, columnCount: 2, file: 'data.csv' });
    expect((await readTableFile('csv', project.fileOf(output), null)).rows).toEqual([
      [1, 'a, b'],
      [2, 'c'],
    ]);
  }
});

test('what is no output says why, and what the block could do', async () => {
  await using project = await createProject();
  const messageOf = async (code: string, configuration = {}) => {
    const { outcome } = await project.run(code, { configuration });
    return outcome.status === 'failed' ? `${outcome.error.type}: ${outcome.error.message}` : outcome.status;
  };
  expect(await messageOf('echo hello > "$OUTPUT"')).toMatch(/^OutputNotReadable: What the block wrote .* is no JSON/);
  expect(await messageOf('echo hello > "$OUTPUT_PARQUET"')).toMatch(/is no parquet file/);
  expect(await messageOf('echo 1 > "$OUTPUT_JSON"; echo a > "$OUTPUT_CSV"')).toMatch(/json and csv.*one output only/);
  expect(await messageOf('true', { output_format: 'xml' })).toMatch(/"xml"; it can be json, csv, parquet/);
  expect(await messageOf('head -c 17000000 /dev/zero > "$OUTPUT"')).toMatch(/16 MB of JSON; the most is 16 MB/);
  expect(await messageOf(': > "$OUTPUT"')).toBe('completed');
});

test('what the upstream blocks gave lies in files, in their order', async () => {
  await using project = await createProject();
  const give = async (code: string) => {
    const { outcome } = await project.run(code);
    return above(...outcome.outputs);
  };
  const inputs = [
    await give(`echo '{"a": 1}' > "$OUTPUT"`),
    await give(`echo '[{"id": 1}, {"id": 2}]' > "$OUTPUT"`),
    await give(`printf 'id\\n7\\n' > "$OUTPUT_CSV"`),
    await give(`echo '"plain text"' > "$OUTPUT"`),
    await give('true'),
    { blockUuid: 'skipped', status: 'skipped', outputs: [] } as const,
  ];
  const { outcome, said } = await project.run(
    'for i in "$INPUT_1" "$INPUT_2" "$INPUT_3" "$INPUT_4"; do cat "$i"; echo " $(basename "$i" | cut -d. -f2)"; done; echo "[$INPUT_5$INPUT_6]"',
    { inputs },
  );
  expect(outcome.status).toBe('completed');
  expect(said).toEqual(['{"a":1} json', '{"id":1}', '{"id":2}', ' jsonl', 'id', '7', ' csv', 'plain text txt', '[]']);
});

test('of several outputs of one block each has its file', async () => {
  await using project = await createProject();
  const { outcome } = await project.run('echo 1 > "$OUTPUT"');
  const [first] = outcome.outputs;
  if (first === undefined) throw new Error('No output.');
  const { said } = await project.run('cat "$INPUT_1" "$INPUT_1_0" "$INPUT_1_1"', {
    inputs: [above(first, { ...first, name: 'output_1', inline: 2 })],
  });
  expect(said.join('')).toBe('112');
});

test('an upstream output that is gone, or only for Python, is named', async () => {
  await using project = await createProject();
  const { outcome } = await project.run('printf "id\\n1\\n" > "$OUTPUT_CSV"');
  const [stored] = outcome.outputs;
  if (stored === undefined) throw new Error('No output.');
  rmSync(project.fileOf(stored));
  const gone = await project.run('true', { inputs: [above(stored)] });
  expect(gone.outcome).toMatchObject({
    status: 'failed',
    error: { type: 'InputNotReadable', message: expect.stringMatching(/upstream block above is gone.*Run that block/) },
  });
  const pickle = { ...stored, format: 'pickle', file: 'data.pickle' } as const;
  const unreadable = await project.run('true', { inputs: [above(pickle)] });
  expect(unreadable.outcome).toMatchObject({ error: { message: expect.stringContaining('only Python can read') } });
});

test('a script that fails is told with its exit code and its last word', async () => {
  await using project = await createProject();
  const { outcome } = await project.run('echo starting >&2; echo "no such customer" >&2; exit 3');
  expect(outcome).toMatchObject({
    status: 'failed',
    error: { type: 'ExitCode', message: 'The script of block load ended with exit code 3: no such customer' },
  });
});

test.each([
  ['a failing command', 'false; echo not reached'],
  ['a failing command in a pipe', 'false | cat; echo not reached'],
  ['an unset variable', 'echo "$NO_SUCH_THING"; echo not reached'],
])('%s ends the script', async (_, code) => {
  await using project = await createProject();
  const { outcome, said } = await project.run(code);
  expect(outcome.status).toBe('failed');
  expect(said).not.toContain('not reached');
});

test('a sensor says not yet by exit code 1, and any other code is an error', async () => {
  await using project = await createProject();
  const ask = async (code: string) => (await project.run(code, { blockType: 'sensor' })).outcome.status;
  expect(await ask('test -e /no/such/file')).toBe('not_yet');
  expect(await ask('test -e /')).toBe('completed');
  expect(await ask('exit 2')).toBe('failed');
});

test('an error of bash names the file and the line', async () => {
  await using project = await createProject();
  const { said } = await project.run('true\nno-such-command-here');
  expect(said[0]).toMatch(/shop\/custom\/load\.sh: line 2: no-such-command-here: command not found$/);
});

test('a script that is killed is told as the death of its process', async () => {
  await using project = await createProject();
  const { outcome } = await project.run('kill -9 $$');
  expect(outcome).toMatchObject({ status: 'process_died', outOfMemory: false });
  const started = project.start('echo up; sleep 600');
  await started.spoken;
  process.kill(-((await started.pid) ?? 0), 'SIGKILL');
  expect(await started.outcome).toMatchObject({
    status: 'process_died',
    message: 'The script of block load was killed by SIGKILL.',
  });
});

test('CPU time and peak memory of everything that a script starts are known', async () => {
  await using project = await createProject();
  const { outcome } = await project.run('for ((i = 0; i < 300000; i++)); do :; done');
  expect(outcome.cpuTimeMs).toBeGreaterThan(50);
  expect(outcome.maxRssBytes).toBeGreaterThan(1_000_000);
});

test('a script that is stopped may clean up', async () => {
  await using project = await createProject();
  const started = project.start(
    `trap 'echo "{\\"saved\\": true}" > "$OUTPUT"; exit 0' TERM; echo up; while :; do sleep 0.01 || true; done`,
  );
  await started.spoken;
  started.stop(60_000);
  expect(await started.outcome).toMatchObject({ status: 'completed', outputs: [{ inline: { saved: true } }] });
});

test('a script that does not care is stopped, and what it started in the background as well', async () => {
  await using project = await createProject();
  const started = project.start('sleep 600 & echo $!; wait');
  const grandchild = Number(await started.spoken);
  started.stop(60_000);
  expect((await started.outcome).status).toBe('stopped');
  expect(isAlive(grandchild)).toBe(false);
});

test('what clings to life is killed after the grace, also when the script itself is gone', async () => {
  await using project = await createProject();
  const started = project.start(`bash -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & wait`);
  const grandchild = Number(await started.spoken);
  started.stop(100);
  expect((await started.outcome).status).toBe('stopped');
  expect(isAlive(grandchild)).toBe(false);
  expect(project.guarded.size).toBe(0);
});

test('a grandchild has the rest of the grace when the script is gone before it', async () => {
  await using project = await createProject();
  const file = join(project.projectDir, 'saved');
  const started = project.start(
    `bash -c 'trap "sleep 0.3; echo yes > ${file}; exit" TERM; echo up; while :; do sleep 0.01; done' & wait`,
  );
  await started.spoken;
  started.stop(60_000);
  await started.outcome;
  expect(readFileSync(file, 'utf8')).toBe('yes\n');
});

test('what a script leaves running when it ends is killed at once', async () => {
  await using project = await createProject();
  const { outcome, said } = await project.run('sleep 600 & echo $!');
  expect(outcome.status).toBe('completed');
  expect(isAlive(Number(said[0]))).toBe(false);
});
