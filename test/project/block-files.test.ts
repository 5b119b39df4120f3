import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readProject } from '../../src/project/read-project.ts';
import { code, pipelineOf, projectFolder, readDaily, told } from './support/project-folder.ts';

/** Where the one block of a pipeline has its code. */
async function fileOf(block: string, files: Readonly<Record<string, string>>) {
  const daily = await readDaily(`blocks:\n- ${block}\n`, files);
  return { file: daily.definition.blocks[0]?.file, problems: told(daily.problems) };
}

test.for([
  ['its uuid in the folder of its type', '{uuid: a, type: data_loader}', 'data_loaders/a.py'],
  ['the folder custom, without an s', '{uuid: a, type: custom}', 'custom/a.py'],
  ['a uuid with folders', '{uuid: deep/er/a, type: custom}', 'custom/deep/er/a.py'],
  ['a uuid with backslashes', '{uuid: deep\\er\\a, type: custom}', 'custom/deep/er/a.py'],
  ['its language', '{uuid: a, type: custom, language: typescript}', 'custom/a.ts'],
  ['file_path', '{uuid: x, type: custom, configuration: {file_path: shared/any.py}}', 'shared/any.py'],
  [
    'file_path with backslashes',
    '{uuid: x, type: custom, configuration: {file_path: shared\\any.py}}',
    'shared/any.py',
  ],
  [
    'a path from the parent of the project',
    '{uuid: x, type: custom, configuration: {file_path: shop/shared/any.py}}',
    'shared/any.py',
  ],
  [
    'file_source before file_path',
    '{uuid: x, type: custom, configuration: {file_source: {path: custom/a.py}, file_path: shared/any.py}}',
    'custom/a.py',
  ],
  [
    'its uuid, when the configured path is gone',
    '{uuid: a, type: custom, configuration: {file_path: old/a.py}}',
    'custom/a.py',
  ],
  ['the block that it replicates', '{uuid: copy, type: custom, replicated_block: a}', 'custom/a.py'],
  [
    'its file’s ending, when it names no language',
    '{uuid: x, type: custom, configuration: {file_path: custom/a.ts}}',
    'custom/a.ts',
  ],
] as const)('the code of a block is found by %s', async ([, block, file]) => {
  const files = ['data_loaders/a.py', 'custom/a.py', 'custom/a.ts', 'custom/deep/er/a.py', 'shared/any.py'];
  const found = await fileOf(block, Object.fromEntries(files.map((path) => [path, code])));
  expect(found).toEqual({ file, problems: [] });
});

test('a replica has the code of its original, wherever that lies', async () => {
  const daily = await readDaily(
    'blocks:\n- {uuid: a, type: custom, configuration: {file_path: shared/any.py}}\n- {uuid: copy, type: custom, replicated_block: a}\n',
    { 'shared/any.py': code },
  );
  expect(daily).toMatchObject({
    isRunnable: true,
    definition: { blocks: [{}, { uuid: 'copy', file: 'shared/any.py' }] },
  });
});

test('a block whose code is missing says where it was looked for', async () => {
  expect(await fileOf('{uuid: a, type: transformer}', {})).toEqual({
    file: null,
    problems: [
      'error pipelines/daily/metadata.yaml:2 The code of block "a" is missing: there is no transformers/a.py. Put the code there, or name its file in configuration.file_source.path.',
    ],
  });
});

test('a block whose code is there in another language says what to set', async () => {
  const { problems } = await fileOf('{uuid: a, type: custom}', { 'custom/a.ts': code });
  expect(problems).toEqual([expect.stringContaining('There is custom/a.ts: set "language: typescript" to run it.')]);
});

test.for([
  ['../outside.py', 'lies outside of the project'],
  ['custom/link.py', 'lies outside of the project'],
  ['custom', 'is no regular file'],
  ['custom/loop.py', "can't be read (ELOOP)"],
  ['custom/latin1.py', 'is not UTF-8 text'],
  ['custom/binary.py', 'holds NUL characters'],
] as const)('%s is no code: it %s', async ([path, why]) => {
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': `blocks: [{uuid: a, type: custom, configuration: {file_path: ${path}}}]`,
    'custom/latin1.py': Uint8Array.of(0x23, 0xe4),
    'custom/binary.py': '\0',
  });
  await writeFile(join(dir, '../outside.py'), code);
  await symlink(join(dir, '../outside.py'), join(dir, 'custom/link.py'));
  await symlink(join(dir, 'custom/loop.py'), join(dir, 'custom/loop.py'));
  const daily = pipelineOf(await readProject(dir, { env: {} }), 'daily');
  expect(daily.definition.blocks[0]?.code).toBeNull();
  expect(told(daily.problems)).toEqual([expect.stringContaining(`has no code that can be used: ${path} ${why}`)]);
});

test('a link to a file of the same project is as good as the file', async () => {
  const dir = await projectFolder({
    'pipelines/daily/metadata.yaml': 'blocks: [{uuid: a, type: custom}]',
    'shared/any.py': code,
    'custom/b.py': code,
  });
  await symlink(join(dir, 'shared/any.py'), join(dir, 'custom/a.py'));
  const daily = pipelineOf(await readProject(dir, { env: {} }), 'daily');
  expect(daily).toMatchObject({ isRunnable: true, definition: { blocks: [{ code, file: 'custom/a.py' }] } });
});
