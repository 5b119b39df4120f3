import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { messages, openPythonHouse, type PythonHouse, values } from './python-attempts.ts';

let house: PythonHouse;
beforeAll(async () => {
  house = await openPythonHouse({ env: { ...process.env, STAND_IN_SECRET: 's3cret' } });
  await writeFile(
    join(house.projectDir, 'io_config.yaml'),
    `version: 0.1.1
default:
  # Postgres
  POSTGRES_HOST: "{{ env_var('STAND_IN_SECRET') }}" # from the environment
  POSTGRES_PORT: 5432
  MYSQL:
    host: 'their host'
  OTHER: {{ env_var('STAND_IN_UNSET') }}
empty:
`.replace("{{ env_var('STAND_IN_UNSET') }}", '"{{ env_var(\'STAND_IN_UNSET\') }}"'),
  );
});
afterAll(() => house.close());

/** Runs lines of Python in a block, and gives back what `seen` is then. */
async function seen(lines: string, task = {}): Promise<unknown> {
  const body = lines.replace(/^/gm, '    ');
  const { outcome } = await house.run(`@custom\ndef f(*args, **kwargs):\n${body}\n    return repr(seen)`, task);
  if (outcome.status !== 'completed') throw new Error(JSON.stringify(outcome));
  return values(outcome)[0];
}

describe('the stand-in for mage_ai', () => {
  test('knows the path of the project', async () => {
    const lines = `from mage_ai.settings.repo import get_repo_path
from mage_ai.data_preparation.repo_manager import get_repo_path as other
seen = get_repo_path() == other() == kwargs['repo_path']`;
    expect(await seen(lines)).toBe('True');
  });

  test('reads io_config.yaml: templates, numbers, nested profiles, missing keys', async () => {
    const lines = `from os import path
from mage_ai.settings.repo import get_repo_path
from mage_ai.io.config import ConfigFileLoader, ConfigKey
config = ConfigFileLoader(path.join(get_repo_path(), 'io_config.yaml'), 'default')
seen = [config[ConfigKey.POSTGRES_HOST], config['POSTGRES_PORT'], config[ConfigKey.MYSQL_HOST], config[ConfigKey.AWS_REGION], config['OTHER']]`;
    expect(await seen(lines)).toBe("['s3cret', 5432, 'their host', None, 'None']");
  });

  test('says which profiles there are when one is missing', async () => {
    const { outcome } = await house.run(
      'from mage_ai.io.config import ConfigFileLoader\n@custom\ndef f(): ConfigFileLoader(profile="dev")',
    );
    expect(outcome).toMatchObject({
      error: {
        type: 'ValueError',
        message: expect.stringContaining('has no profile `dev`. It has: version, default, empty'),
      },
    });
  });

  test('stores and loads rows as csv and json, and limits them', async () => {
    const lines = `from mage_ai.io.file import FileIO
import os
seen = []
for kind in ('csv', 'json'):
    path = os.path.join(kwargs['repo_path'], 'data', 'rows.' + kind)
    FileIO().export([{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}], path)
    loaded = FileIO().load(path, limit=1)
    rows = loaded.to_dict('records') if hasattr(loaded, 'to_dict') else loaded
    seen += [(int(row['a']), row['b']) for row in rows]`;
    expect(await seen(lines)).toBe("[(1, 'x'), (1, 'x')]");
  });

  test('takes secrets from the environment and warns about missing ones', async () => {
    const lines = `from mage_ai.data_preparation.shared.secrets import get_secret_value
seen = get_secret_value('STAND_IN_SECRET'), get_secret_value('STAND_IN_UNSET')`;
    expect(await seen(lines)).toBe("('s3cret', None)");
  });

  test("gives upstream outputs and variables, also another pipeline's", async () => {
    const folder = join(house.projectDir, 'pipelines', 'other');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'metadata.yaml'), 'uuid: other\nvariables:\n  TOP: 7\n');
    const input = await house.input('up', '@custom\ndef f(): return "a", "b"');
    const lines = `from mage_ai.data_preparation.variable_manager import get_variable, get_global_variable
seen = (get_variable('pipeline', 'up', 'output_1'), get_variable('pipeline', 'up'),
        get_global_variable('pipeline', 'TOP'), get_global_variable('other', 'TOP'))`;
    const task = { inputs: [input], variables: { TOP: 3 } };
    expect(await seen(lines, task)).toBe("('b', ['a', 'b'], 3, 7)");
  });

  test.each([
    [
      'from mage_ai.io.snowflake import Snowflake',
      'Snowflake.with_config(None)',
      'pip install snowflake-connector-python',
    ],
    ['from mage_ai.io.s3 import S3', 'S3()', 'pip install boto3'],
  ])('%s works, and its use says what is missing', async (line, use, message) => {
    expect((await house.run(`${line}\n@custom\ndef f(): pass`)).outcome.status).toBe('completed');
    const { outcome } = await house.run(`${line}\n@custom\ndef f(): ${use}`);
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { type: 'NotAvailableError', message: expect.stringContaining(message) },
    });
  });

  test('does not stand before a real mage_ai, except for the decorators', async () => {
    const real = join(house.projectDir, 'mage_ai', 'data_preparation');
    await mkdir(real, { recursive: true });
    await writeFile(join(real, '..', '__init__.py'), 'real = True');
    await writeFile(join(real, '__init__.py'), '');
    await writeFile(join(real, 'decorators.py'), 'def custom(function): return function');
    const { outcome, logs } = await house.run(
      'import mage_ai\nfrom mage_ai.data_preparation.decorators import custom\n@custom\ndef f(): print(mage_ai.real)',
    );
    expect(outcome.status).toBe('completed');
    expect(messages(logs, 'stdout')).toEqual(['True']);
  });
});
