import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { DefinitionProblem } from '../../../src/domain/pipeline.ts';
import type { Project, ReadPipeline } from '../../../src/project/project.ts';
import { readProject } from '../../../src/project/read-project.ts';

/** Files of a project by path, each as its text or its bytes. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Writes a project into a folder of its own, which is gone after the test. */
export async function projectFolder(files: Files): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'penstock-project-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const dir = join(parent, 'shop');
  await mkdir(dir);
  await write(dir, { 'metadata.yaml': 'project_type: standalone\n', ...files });
  return dir;
}

export async function write(dir: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
}

export async function read(files: Files, env: Readonly<Record<string, string>> = {}): Promise<Project> {
  return readProject(await projectFolder(files), { env });
}

/** A pipeline `daily` with these lines as its metadata.yaml, and with the given files beside it. */
export async function readDaily(metadata: string, files: Files = {}, env: Readonly<Record<string, string>> = {}) {
  const project = await read({ 'pipelines/daily/metadata.yaml': metadata, ...files }, env);
  return pipelineOf(project, 'daily');
}

export function pipelineOf(project: Project, uuid: string): ReadPipeline {
  const pipeline = project.pipelines.find((one) => one.uuid === uuid);
  if (!pipeline) throw new Error(`The project was read without its pipeline ${uuid}.`);
  return pipeline;
}

/** Problems as lines that a failing test shows well: "error pipelines/daily/metadata.yaml:3 …". */
export function told(problems: readonly DefinitionProblem[]): readonly string[] {
  return problems.map(({ severity, file, line, message }) => `${severity} ${file}:${line ?? '-'} ${message}`);
}

/** Code for a block: what it says does not matter to a reader of projects. */
export const code = 'def run(*args, **kwargs):\n    return 1\n';

/** A pipeline of custom Python blocks that all share one file, from who waits for whom. */
export function metadataOf(upstream: Readonly<Record<string, readonly string[]>>): string {
  const blocks = Object.entries(upstream).map(
    ([uuid, above]) =>
      `- {uuid: ${uuid}, type: custom, upstream_blocks: [${above.join(', ')}], configuration: {file_path: custom/any.py}}`,
  );
  return `blocks:\n${blocks.join('\n')}\n`;
}
