import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse();
});
afterAll(() => house.close());

const upstream = (blockUuid: string, ...inline: readonly (string | number)[]) => ({
  blockUuid,
  status: 'completed' as const,
  outputs: inline.map((value, number) => ({
    name: `output_${number}`,
    kind: 'json' as const,
    path: `1/${blockUuid}/1/output_${number}`,
    file: 'data.json',
    format: 'json' as const,
    pythonType: null,
    mimeType: null,
    columns: [],
    rowCount: null,
    columnCount: null,
    sizeBytes: 1,
    inline: value,
  })),
});

describe("a block's function", () => {
  test('gets one positional argument per upstream, in their order: bare, as a list, [] or None', async () => {
    const { outcome } = await house.run('@custom\ndef f(a, b, c, d):\n    return repr([a, b, c, d])', {
      inputs: [
        upstream('one', 7),
        upstream('several', 'x', 'y'),
        upstream('nothing'),
        { ...upstream('skipped', 1), status: 'skipped' },
      ],
    });
    expect(values(outcome)).toEqual(["[7, ['x', 'y'], [], None]"]);
  });

  test('finds its upstreams by uuid and as df_1, df_2, … in its namespace', async () => {
    const { outcome } = await house.run(
      'seen = [load_sales, df_1, df_2]\n@custom\ndef f(*args):\n    return str(seen)',
      {
        inputs: [upstream('load_sales', 'sales'), upstream('load_costs', 'costs')],
      },
    );
    expect(values(outcome)).toEqual(["['sales', 'sales', 'costs']"]);
  });

  test('gets the variables and its circumstances by name when it takes **kwargs', async () => {
    const { outcome } = await house.run(
      `@custom
def f(*args, **kwargs):
    kwargs['logger'].info('here')
    return repr((kwargs['TOP'], kwargs['configuration'], kwargs['context'], kwargs['pipeline_uuid'],
                 kwargs['block_uuid'], kwargs['repo_path'], kwargs['retry']))`,
      { variables: { TOP: 3 }, configuration: { x: { y: [1] } }, retryAttempt: 2, blockUuid: 'mine' },
    );
    expect(values(outcome)).toEqual([
      `(3, {'x': {'y': [1]}}, {'attempt': 1, 'fence': 1}, 'pipeline', 'mine', '${house.projectDir}', {'attempts': 2})`,
    ]);
  });

  test('gets only what it names, and parameters after the upstreams are filled by name', async () => {
    const { outcome } = await house.run(
      '@custom\ndef f(data, TOP, missing="default", *, block_uuid):\n    return f"{data} {TOP} {missing} {block_uuid}"',
      { inputs: [upstream('up', 'd')], variables: { TOP: 3, other: 4 } },
    );
    expect(values(outcome)).toEqual(['d 3 default block']);
  });

  test('may name an upstream argument like a variable', async () => {
    const { outcome } = await house.run('@custom\ndef f(env, **kwargs):\n    return env', {
      inputs: [upstream('up', 'data')],
      variables: { env: 'prod' },
    });
    expect(values(outcome)).toEqual(['data']);
  });

  test.each([
    ['too few', 'def f(a):', 'has 2 upstream blocks (one, two), but its function f() takes 1 positional argument (a)'],
    [
      'too many',
      'def f(a, b, c):',
      'has 2 upstream blocks (one, two), but its function f() takes 3 positional arguments (a, b, c)',
    ],
  ])('with %s parameters fails and says which block and how many', async (_, head, message) => {
    const { outcome } = await house.run(`@custom\n${head}\n    return 1`, {
      blockUuid: 'join',
      inputs: [upstream('one', 1), upstream('two', 2)],
    });
    expect(outcome).toMatchObject({ status: 'failed', error: { type: 'BlockArgumentsError', stackTrace: null } });
    expect(outcome.status === 'failed' && outcome.error.message).toContain(`Block \`join\` ${message}`);
  });

  test('runs once: the first one with the decorator of its type', async () => {
    const code =
      '@test\ndef check(x): pass\n@custom\ndef first(): return "first"\n@custom\ndef second(): return "second"';
    expect(values((await house.run(code)).outcome)).toEqual(['first']);
  });

  test('that is not decorated for its type fails with the decorators that were found', async () => {
    const { outcome } = await house.run('@transformer\ndef f(): pass', { blockType: 'data_loader' });
    expect(outcome).toMatchObject({
      status: 'failed',
      error: {
        type: 'NoDecoratedFunctionError',
        message: expect.stringContaining('no function decorated with @data_loader (found @transformer on f)'),
      },
    });
  });

  test('is decorated bare, with arguments, guarded or imported', async () => {
    const code = `if 'custom' not in globals():
    from mage_ai.data_preparation.decorators import custom
from mage_ai.data_preparation.decorators import custom, test
@custom(x=1)
def f(*args, **kwargs):
    return 'ran'
@test()
def check(output, *args): assert output == 'ran'`;
    const { outcome } = await house.run(code);
    expect(values(outcome)).toEqual(['ran']);
    expect(outcome.tests).toEqual([{ name: 'check', passed: true, message: null }]);
  });
});

describe('instants', () => {
  const code =
    '@custom\ndef f(execution_date, interval_end_datetime):\n    return repr([execution_date, str(interval_end_datetime)])';
  const variables = { execution_date: '2026-07-01T12:00:00.500Z', interval_end_datetime: '2026-07-01T13:00:00+00:00' };

  test('are naive UTC datetimes, as existing projects expect', async () => {
    const { outcome } = await house.run(code, { variables });
    expect(values(outcome)).toEqual(["[datetime.datetime(2026, 7, 1, 12, 0, 0, 500000), '2026-07-01 13:00:00']"]);
  });

  test("are aware, in the trigger's zone, when it set one", async () => {
    const { outcome } = await house.run(code.replace('repr([execution_date', 'repr([str(execution_date)'), {
      variables,
      timezone: 'Europe/Berlin',
    });
    expect(values(outcome)).toEqual(["['2026-07-01 14:00:00.500000+02:00', '2026-07-01 15:00:00+02:00']"]);
  });
});

describe('@test functions', () => {
  test('all run, get the outputs, and one failure fails the block but keeps its output', async () => {
    const { outcome } = await house.run(`@custom
def f(): return 1, 'two'
@test
def too_small(one, two): assert one > 1, 'one is too small'
@test
def broken(*outputs): raise KeyError('x')
@test
def fine(one, two, **kwargs): assert two == 'two' and kwargs['block_uuid'] == 'block'`);
    expect(outcome.status).toBe('tests_failed');
    expect(values(outcome)).toEqual([1, 'two']);
    expect(outcome.tests).toEqual([
      { name: 'too_small', passed: false, message: 'AssertionError: one is too small' },
      { name: 'broken', passed: false, message: "KeyError: 'x'" },
      { name: 'fine', passed: true, message: null },
    ]);
  });

  test('get None where a block gave nothing', async () => {
    const { outcome } = await house.run(
      '@custom\ndef f(): pass\n@test\ndef t(output, *args):\n    assert output is not None, "The output is undefined"',
    );
    expect(outcome.tests).toEqual([{ name: 't', passed: false, message: 'AssertionError: The output is undefined' }]);
  });
});

describe('an error', () => {
  test("has its type, its message, and the user's lines only, causes included", async () => {
    const code = `def inner():
    raise ValueError('inner')
@custom
def f():
    try:
        inner()
    except ValueError as error:
        raise KeyError('outer') from error`;
    const { outcome } = await house.run(code, { file: '/nowhere/custom/f.py' });
    if (outcome.status !== 'failed') throw new Error(outcome.status);
    expect(outcome.error).toMatchObject({ type: 'KeyError', message: "'outer'" });
    const trace = (outcome.error.stackTrace ?? '').replace(/^ +[\^~]+\n/gm, '');
    expect(trace).toBe(`Traceback (most recent call last):
  File "/nowhere/custom/f.py", line 6, in f
    inner()
  File "/nowhere/custom/f.py", line 2, in inner
    raise ValueError('inner')
ValueError: inner

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/nowhere/custom/f.py", line 8, in f
    raise KeyError('outer') from error
KeyError: 'outer'`);
  });

  test.each([
    ['def f(:', 'SyntaxError'],
    ['@custom\ndef f(): f()', 'RecursionError'],
    ['import sys\n@custom\ndef f(): sys.exit(3)', 'SystemExit'],
    ['@custom\ndef f(): raise KeyboardInterrupt', 'KeyboardInterrupt'],
    ['@custom\ndef f(): raise MemoryError', 'MemoryError'],
    ['class Odd(Exception):\n    def __str__(self): raise TypeError\n@custom\ndef f(): raise Odd', 'Odd'],
    ['@custom\ndef f(): raise ValueError("\\0 \\ud800")', 'ValueError'],
  ])('%j fails the block with %s', async (code, type) => {
    const { outcome } = await house.run(code);
    expect(outcome).toMatchObject({ status: 'failed', error: { type, stackTrace: expect.stringContaining(type) } });
    expect(outcome.status === 'failed' && outcome.error.message).not.toContain('\0');
  });

  test('names the file and the line of a syntax error', async () => {
    const { outcome } = await house.run('x = 1\ndef f(:', { file: '/nowhere/f.py' });
    expect(outcome.status === 'failed' && outcome.error.stackTrace).toContain('File "/nowhere/f.py", line 2');
  });
});

describe('other kinds of blocks', () => {
  test('a sensor is asked once, and hands on nothing', async () => {
    const code = (answer: string) => `@sensor
def ready(*args, **kwargs):
    print('asked')
    return ${answer}`;
    const no = await house.run(code('[]'), { blockType: 'sensor' });
    expect(no.outcome).toMatchObject({ status: 'not_yet', outputs: [] });
    expect(no.logs.map((line) => line.message)).toEqual(['asked']);
    const yes = await house.run(code('[0]'), { blockType: 'sensor' });
    expect(yes.outcome).toMatchObject({ status: 'completed', outputs: [] });
  });

  test.each([
    ['True', 'True', true],
    ['True', '0', false],
  ])('conditions %s and %s say %s together', async (one, two, verdict) => {
    const code = `@condition\ndef a(data, **kwargs): return ${one}\n@condition\ndef b(): return ${two}`;
    const { outcome } = await house.run(code, { blockType: 'conditional', inputs: [upstream('up', 1)] });
    expect(values(outcome)).toEqual([verdict]);
  });

  test('each condition and each callback of a file is called, also after one has raised; the first error is told', async () => {
    const say = (kind: string, name: string, then: string) =>
      `@${kind}\ndef ${name}(*args, **kwargs):\n    print('${name}')\n    ${then}\n`;
    const two = (kind: string) =>
      say(kind, 'one', 'raise ValueError("no")') + say(kind, 'two', 'raise KeyError("never told")');
    const asked = await house.run(two('condition'), { blockType: 'conditional' });
    const parent = { blockUuid: 'up', runStatus: 'running', callback: { status: 'success', error: null } } as const;
    const called = await house.run(two("callback('success')"), { blockType: 'callback', parent });
    for (const { outcome, logs } of [asked, called]) {
      expect(outcome).toMatchObject({ status: 'failed', error: { type: 'ValueError', message: 'no' } });
      const said = logs.filter((line) => line.stream === 'stdout').map((line) => line.message);
      expect(said).toEqual(['one', 'two']);
    }
  });
});

describe('where a block runs', () => {
  test("imports the project's code from its parent, itself and its grandparent; a saved change counts at once", async () => {
    const { mkdir, writeFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    await mkdir(join(house.projectDir, 'lib'));
    await writeFile(join(house.projectDir, 'lib', 'words.py'), 'word = "first"');
    const code = `import os
from repo.project.lib.words import word as a
from project.lib.words import word as b
from lib.words import word as c
@custom
def f(): return ' '.join([a, b, c, os.getcwd(), os.environ['MAGE_RUNTIME__REPO_PATH'], __file__])`;
    const parent = join(house.projectDir, '..');
    const rest = `${parent} ${house.projectDir} ${join(house.projectDir, 'custom', 'block.py')}`;
    expect(values((await house.run(code)).outcome)).toEqual([`first first first ${rest}`]);
    await writeFile(join(house.projectDir, 'lib', 'words.py'), 'word = "second one"');
    expect(values((await house.run(code)).outcome)).toEqual([`second one second one second one ${rest}`]);
  });

  test("keeps the server's secrets from the block", async () => {
    const other = await openPythonHouse({
      env: {
        ...process.env,
        DATABASE_URL: 'postgres://secret',
        PENSTOCK_TOKEN: 'secret',
        MINE: 'kept',
        ENV: 'staging',
      },
    });
    const { outcome } = await other.run(
      `import os
@custom
def f():
    seen = [name for name in os.environ if name == 'DATABASE_URL' or name.startswith('PENSTOCK')]
    return str(seen) + os.environ['MINE'] + os.environ['ENV']`,
    );
    await other.close();
    expect(values(outcome)).toEqual(['[]keptstaging']);
  });

  test('draws its own random numbers, and tells what it used', async () => {
    const code = 'import random\n@custom\ndef f():\n    sum(range(3_000_000))\n    return random.random()';
    const [one, two] = [await house.run(code), await house.run(code)];
    expect(values(one.outcome)).not.toEqual(values(two.outcome));
    expect(one.outcome.cpuTimeMs).toBeGreaterThan(5);
    expect(one.outcome.maxRssBytes).toBeGreaterThan(5_000_000);
  });
});
