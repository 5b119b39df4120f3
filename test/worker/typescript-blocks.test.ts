import { expect, test } from 'vitest';
import { createProject, errorOf, inlineOf, inputOf } from './typescript-project.ts';

test('a block gets what it is promised', async () => {
  await using project = createProject();
  const { outcome } = await project.run(
    `import type { Block } from 'penstock/block';
     const block: Block = async ({ inputs, variables, executionDate, configuration, retry, context, signal }) =>
       [inputs, variables.TOP_N, executionDate, configuration, retry, context, signal.aborted, process.cwd(), process.env.ENV];
     export default block;`,
    {
      variables: { TOP_N: 10, execution_date: '2024-05-01T12:00:00.000Z' },
      configuration: { deep: { x: [1] } },
      retryAttempt: 2,
      attempt: 5,
      fence: 6,
      blockRunId: 71,
    },
  );

  expect(inlineOf(outcome)).toEqual([
    [],
    10,
    '2024-05-01T12:00:00.000Z',
    { deep: { x: [1] } },
    { attempts: 2 },
    {
      pipelineUuid: 'sales',
      blockUuid: 'load',
      parentBlockUuid: null,
      ended: null,
      pipelineRunId: 7,
      blockRunId: 71,
      attempt: 5,
      fence: 6,
      projectDir: project.projectDir,
    },
    false,
    project.root,
    process.env.ENV ?? 'prod',
  ]);
});

test('what the attempts of a run change in their variables stays with them', async () => {
  await using project = createProject({ slots: 1 });
  const variables = { list: [1] };
  const code = 'export default ({ variables }) => { variables.list.push(2); return variables.list.length; };';
  expect(inlineOf((await project.run(code, { variables })).outcome)).toBe(2);
  expect(inlineOf((await project.run(code, { variables })).outcome)).toBe(2);
  expect(inlineOf((await project.run(code, { variables: { list: [] } })).outcome)).toBe(1);
});

test('one upstream output arrives bare, several as an array, none as undefined', async () => {
  await using project = createProject();
  const many = await project.run(
    `import { outputs } from 'penstock/block'; export default () => outputs('a', null, 3);`,
  );
  const one = await project.run('export default () => [5];');
  const none = await project.run('export default () => {};');
  if (many.outcome.status !== 'completed') throw new Error('many');
  expect(many.outcome.outputs.map(({ name }) => name)).toEqual(['output_0', 'output_1', 'output_2']);

  const inputs = [many, one, none].map(({ outcome }) => inputOf(outcome.outputs));
  const seen = await project.run(
    'export default ({ inputs }) => ({ inputs, last: typeof inputs[2], n: inputs.length })',
    {
      inputs: [...inputs, inputOf([], 'skipped')],
    },
  );
  expect(inlineOf(seen.outcome)).toEqual({ inputs: [['a', null, 3], [5], null, null], last: 'undefined', n: 4 });
});

test.each([
  ['custom/a.ts', 'export default function (args: { inputs: unknown[] }): string { return "ts" as const; }', 'ts'],
  ['custom/a.js', 'export default () => "js";', 'js'],
  ['custom/b.js', 'module.exports = () => "commonjs";', 'commonjs'],
  ['custom/c.js', 'const { join } = require("node:path"); exports.default = () => join("a", "b");', 'a/b'],
  ['custom/a.mjs', 'export default () => import.meta.filename.endsWith("custom/a.mjs");', true],
  ['custom/a.cjs', 'module.exports = async () => __filename.endsWith("custom/a.cjs");', true],
  ['custom/naïve file.ts', 'export default () => import.meta.filename.endsWith("custom/naïve file.ts");', true],
])('%s runs', async (name, code, value) => {
  await using project = createProject();
  expect(inlineOf((await project.run(code, { name })).outcome)).toBe(value);
});

test('an error is told with its type, its cause and the lines of the file, and nothing of ours', async () => {
  await using project = createProject();
  const { outcome } = await project.run(
    `type Row = { a: number };

export default async function load(): Promise<Row> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  throw new RangeError('too far', { cause: new Error('the map ended') });
}`,
    { name: 'data_loaders/with space.ts' },
  );
  const file = `${project.projectDir}/data_loaders/with space.ts`;
  const error = errorOf(outcome);
  expect(error).toMatchObject({ type: 'RangeError', message: 'too far' });
  expect(error.stackTrace?.split('\n')).toEqual([
    'RangeError: too far',
    `    at load (${file}:5:9)`,
    '[cause]: Error: the map ended',
    `    at load (${file}:5:44)`,
  ]);
});

test.each([
  ['throw "just text"', 'string', 'just text'],
  ['throw null', 'object', 'null'],
  ['throw { code: 5 }', 'Object', '{ code: 5 }'],
  ['throw { constructor: { name: 5 } }', 'Object', '{ constructor: { name: 5 } }'],
  [
    'throw new Proxy({}, { get() { throw new Error("a trap"); } })',
    'Error',
    'The block threw a value that can not be looked at.',
  ],
  ['const f = () => f() + 1; f()', 'RangeError', 'Maximum call stack size exceeded'],
  [
    'setTimeout(() => { throw new TypeError("in a timer"); }, 1); await new Promise(() => {})',
    'TypeError',
    'in a timer',
  ],
  [
    'setTimeout(() => Promise.reject(new TypeError("forgotten")), 1); return new Promise(() => {})',
    'TypeError',
    'forgotten',
  ],
  ['Promise.reject(new SyntaxError("not awaited")); return 1', 'SyntaxError', 'not awaited'],
])('%s fails the attempt', async (statement, type, message) => {
  await using project = createProject();
  const { outcome } = await project.run(`export default async () => { ${statement} };`);
  expect(errorOf(outcome)).toMatchObject({ type, message });
  expect((await project.run('export default () => 1')).outcome.status).toBe('completed');
});

test('a promise that nothing can settle any more fails instead of hanging', async () => {
  await using project = createProject();
  const { outcome } = await project.run('export default () => new Promise(() => {});');
  expect(errorOf(outcome)).toMatchObject({ type: 'NeverSettled' });
});

test('TypeScript that does more than name types is refused with its place', async () => {
  await using project = createProject();
  const { outcome } = await project.run('export default () => 1;\n\nenum Colour { Red }\n');
  const error = errorOf(outcome);
  expect(error.type).toBe('SyntaxError');
  expect(error.message).toContain(`${project.projectDir}/custom/load.ts, line 3`);
  expect(error.message).toContain('enum');
  expect(error.stackTrace).toContain('enum Colour { Red }');
});

test.each([
  ['a.ts', 'export default () => {\n  const a = = 3;\n};'],
  ['a.js', 'export default () => {\n  const a = = 3;\n};'],
])('a syntax error in %s names its line', async (name, code) => {
  await using project = createProject();
  const error = errorOf((await project.run(code, { name })).outcome);
  expect(error.type).toBe('SyntaxError');
  expect(`${error.message}\n${error.stackTrace}`).toMatch(/a\.[jt]s(:2|, line 2)/);
});

test('a file without a function says what to write', async () => {
  await using project = createProject();
  const error = errorOf((await project.run('export const x = 1;')).outcome);
  expect(error).toMatchObject({ type: 'NoBlockFunction' });
  expect(error.message).toContain('export default');
});

test('the tests of a block run on its outputs and all are told', async () => {
  await using project = createProject();
  const { outcome } = await project.run(`
    import { outputs } from 'penstock/block';
    export default () => outputs(1, 'two');
    export const test = (one, two) => { if (one !== 1 || two !== 'two') throw new Error('wrong'); };
    export const tests = { isPositive: async (one) => one > 0, isLong: (_, two) => two.length > 3, breaks() { null.x; } };
  `);
  expect(outcome.status).toBe('tests_failed');
  expect(outcome.outputs.map(({ inline }) => inline)).toEqual([1, 'two']);
  expect(outcome.tests).toEqual([
    { name: 'test', passed: true, message: null },
    { name: 'isPositive', passed: true, message: null },
    { name: 'isLong', passed: false, message: 'It returned false.' },
    { name: 'breaks', passed: false, message: expect.stringMatching(/^TypeError: Cannot read properties of null/) },
  ]);
});

test('an edited block, and an edited file that it imports, are what the next attempt runs', async () => {
  await using project = createProject();
  await project.write(
    'lib/rate.ts',
    'import base from "./base.json" with { type: "json" }; export const rate: number = base;',
  );
  await project.write('lib/base.json', '1');
  const code = 'import { rate } from "../lib/rate.ts"; export default () => rate;';
  const first = await project.run(code);
  expect(inlineOf(first.outcome)).toBe(1);
  const again = await project.run(code);
  expect(again.pid).toBe(first.pid);

  expect(inlineOf((await project.run(code.replace('=> rate', '=> rate + 100'))).outcome)).toBe(101);
  await project.write('lib/base.json', '22');
  expect(inlineOf((await project.run(code)).outcome)).toBe(22);
  await project.write('lib/rate.ts', 'export const rate = nothing;');
  expect(errorOf((await project.run(code)).outcome).message).toBe('nothing is not defined');
  await project.write('lib/rate.ts', 'export const rate = 333;');
  expect(inlineOf((await project.run(code)).outcome)).toBe(333);
});

test('two versions of a block run side by side', async () => {
  await using project = createProject({ slots: 1 });
  const values = [];
  for (const version of [1, 2, 1, 2])
    values.push(inlineOf((await project.run(`export default () => ${version}`)).outcome));
  expect(values).toEqual([1, 2, 1, 2]);
});

test('packages installed in the project can be imported', async () => {
  await using project = createProject();
  await project.write('node_modules/tiny/package.json', '{"name": "tiny", "main": "index.js"}');
  await project.write('node_modules/tiny/index.js', 'exports.twice = (x) => 2 * x;');
  const { outcome } = await project.run('import { twice } from "tiny"; export default () => twice(21);');
  expect(inlineOf(outcome)).toBe(42);
});

test('conditions, sensors and callbacks are called by their own exports', async () => {
  await using project = createProject();
  const code = `export default () => 'block'; export const condition = () => false; export const sensor = () => 'sensor';`;
  expect(inlineOf((await project.run(code, { blockType: 'conditional' })).outcome)).toBe(false);
  expect((await project.run(code, { blockType: 'sensor' })).outcome).toMatchObject({
    status: 'completed',
    outputs: [],
  });
  expect(inlineOf((await project.run(code, { blockType: 'callback' })).outcome)).toBe('block');
});

test('a sensor is asked once: a falsy answer is not yet', async () => {
  await using project = createProject();
  const { outcome } = await project.run('export const sensor = async () => 0;', { blockType: 'sensor' });
  expect(outcome).toMatchObject({ status: 'not_yet', outputs: [], tests: [] });
});

test('a block does not see what only the server should know', async () => {
  await using project = createProject({
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: 'postgres://secret',
      PENSTOCK_TOKEN: 'secret',
      ENV: 'staging',
      OTHER: 'kept',
    },
  });
  const { outcome } = await project.run('export default () => process.env;');
  const env = inlineOf(outcome);
  expect(env).toMatchObject({ ENV: 'staging', OTHER: 'kept', MAGE_RUNTIME__REPO_PATH: project.projectDir });
  expect(JSON.stringify(env)).not.toContain('secret');
});

test("CPU time and peak memory are the attempt's own", async () => {
  await using project = createProject({ slots: 1 });
  const big = await project.run(`export default () => {
    const bytes = Buffer.alloc(200_000_000, 1);
    const end = process.cpuUsage().user + 100_000;
    while (process.cpuUsage().user < end);
    return bytes.length;
  };`);
  expect(big.outcome.maxRssBytes).toBeGreaterThan(200_000_000);
  expect(big.outcome.cpuTimeMs).toBeGreaterThan(90);
  const small = await project.run(
    'export default async () => { gc?.(); await new Promise((r) => setTimeout(r, 5)); };',
    {
      name: 'custom/small.ts',
    },
  );
  expect(small.outcome.cpuTimeMs).toBeLessThan(90);
});
