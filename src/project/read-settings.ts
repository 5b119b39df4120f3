import { type DefinitionProblem, defaultRetryConfig } from '../domain/pipeline.ts';
import { projectKeys } from './known-keys.ts';
import { readRetryConfig } from './limits.ts';
import { problemsOf } from './problems.ts';
import type { ProjectSettings } from './project.ts';
import { type Environment, renderTemplate } from './templates.ts';
import type { TextFiles } from './text-files.ts';
import { parseYaml } from './yaml-document.ts';

const noSettings: ProjectSettings = { retryConfig: defaultRetryConfig, queueConcurrency: null, variablesDir: null };

type ReadSetting = {
  readonly files: TextFiles;
  readonly env: Environment;
  /** Takes what is wrong in the files. */
  readonly found: DefinitionProblem[];
};

/** Reads the project's own metadata.yaml; the defaults when it is missing or can't be read. */
export async function readSettings(setting: ReadSetting): Promise<ProjectSettings> {
  const fields = await readTemplatedYaml('metadata.yaml', setting);
  if (!fields) return noSettings;
  fields.warnOfSlips(projectKeys);
  const queue = fields.fields('queue_config');
  queue.warnOfSlips(['concurrency']);
  return {
    retryConfig: readRetryConfig(fields, defaultRetryConfig),
    queueConcurrency: queue.number('concurrency', { min: 1, integer: true }),
    variablesDir: fields.text('variables_dir') || null,
  };
}

/** Blocks read io_config.yaml when they run; a mistake in it is better told now. */
export async function checkConnectionProfiles(setting: ReadSetting): Promise<void> {
  await readTemplatedYaml('io_config.yaml', setting);
}

async function readTemplatedYaml(path: string, { files, env, found }: ReadSetting) {
  const problems = problemsOf(path, found);
  const file = await files.read(path);
  if (file.kind === 'missing') return null;
  if (file.kind === 'unusable') {
    problems.error(null, `The file ${file.why}.`);
    return null;
  }
  const text = renderTemplate(file.text, { env, variables: {} }, problems);
  return text.trim() === '' ? null : parseYaml(text, problems);
}
