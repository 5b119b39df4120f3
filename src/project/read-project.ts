import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DefinitionProblem } from '../domain/pipeline.ts';
import { NotAProject } from './not-a-project.ts';
import type { Project } from './project.ts';
import { createProjectCache, forgetOthers, type ProjectCache, readPipelineAgain } from './project-cache.ts';
import { checkConnectionProfiles, readSettings } from './read-settings.ts';
import type { Environment } from './templates.ts';
import { textFiles } from './text-files.ts';

/**
 * Reads a Mage project folder. What is wrong in its files is in the answer, each problem on the pipeline or trigger it concerns.
 * `env` is what templates and `envs` see; with the same `cache` (and the same `env` object) as before, only
 * what changed is read anew, and the rest are the same objects.
 * Throws NotAProject when the folder is not there or holds no project, and what the system says when it can't be read just now.
 */
export async function readProject(
  dir: string,
  options: { readonly env: Environment; readonly cache?: ProjectCache },
): Promise<Project> {
  const root = await findProject(dir);
  const cache = options.cache ?? createProjectCache();
  const files = textFiles(root, cache.files);
  const found: DefinitionProblem[] = [];
  const setting = { files, env: options.env, found };
  const settings = await readSettings(setting);
  await checkConnectionProfiles(setting);
  const name = basename(root);
  const uuids = await pipelineFolders(root);
  const pipelineSetting = { projectName: name, files, env: options.env, retryConfig: settings.retryConfig };
  const pipelines = await Promise.all(uuids.map((uuid) => readPipelineAgain(uuid, pipelineSetting, cache)));
  files.forgetOthers();
  forgetOthers(cache, uuids);
  return { name, dir: root, pipelines, problems: found, settings };
}

/** The real path of a project folder. Throws NotAProject, with a sentence for the person who named it. */
export async function findProject(dir: string): Promise<string> {
  let root: string;
  try {
    root = await realpath(dir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT')
      throw new NotAProject(
        'UNREADABLE',
        dir,
        `The folder ${dir} can't be read (${code}). Give this user the right to.`,
      );
    throw new NotAProject(
      'DIRECTORY_MISSING',
      dir,
      `There is no folder ${dir}. Name the folder of a project: one that holds pipelines/.`,
    );
  }
  if (!(await stat(root)).isDirectory()) {
    throw new NotAProject(
      'NOT_A_DIRECTORY',
      dir,
      `${dir} is a file. Name the folder of a project: one that holds pipelines/.`,
    );
  }
  const entries = await entriesOf(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES') throw error;
    throw new NotAProject(
      'UNREADABLE',
      dir,
      `The folder ${dir} can't be read (${error.code}). Give this user the right to.`,
    );
  });
  if (isProject(entries)) return root;
  // A near miss is worth a hint: a project often sits in a subfolder of its repository.
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).slice(0, 100);
  const inner = await Promise.all(
    folders.map(async ({ name }) => ({ name, entries: await entriesOf(join(root, name)).catch(() => []) })),
  );
  const near = inner.find(
    (folder) => isProject(folder.entries) && folder.entries.some(({ name }) => name === 'pipelines'),
  );
  const hint = near
    ? `Did you mean ${join(dir, near.name)}?`
    : 'A project holds metadata.yaml and pipelines/<name>/metadata.yaml.';
  throw new NotAProject('NO_PROJECT', dir, `${dir} holds no project: neither metadata.yaml nor pipelines/. ${hint}`);
}

function isProject(entries: Awaited<ReturnType<typeof entriesOf>>): boolean {
  return entries.some((entry) => entry.name === 'metadata.yaml' || entry.name === 'pipelines');
}

/** Empty for what is no folder. Rejects for one that can't be read: nobody must take it for empty. */
async function entriesOf(dir: string) {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/** The folders below pipelines/, sorted; leftovers that hold nothing visible are passed over. */
async function pipelineFolders(root: string): Promise<readonly string[]> {
  const entries = await entriesOf(join(root, 'pipelines'));
  const names = entries.filter((entry) => !entry.isFile() && isVisible(entry.name)).map((entry) => entry.name);
  const held = await Promise.all(names.map((name) => entriesOf(join(root, 'pipelines', name))));
  return names.filter((_, index) => held[index]!.some((entry) => isVisible(entry.name))).sort();
}

function isVisible(name: string): boolean {
  return !name.startsWith('.') && name !== '__pycache__' && name !== '__init__.py';
}
