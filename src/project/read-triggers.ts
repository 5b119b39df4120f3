import type { DefinitionProblem, PipelineDefinition } from '../domain/pipeline.ts';
import { problemsOf } from './problems.ts';
import type { ReadTrigger } from './project.ts';
import { readTrigger } from './read-trigger.ts';
import { type Environment, renderTemplate } from './templates.ts';
import type { TextFiles } from './text-files.ts';
import { parseYaml } from './yaml-document.ts';

export type TriggersFile = {
  readonly triggers: readonly ReadTrigger[];
  readonly isReadable: boolean;
  /** Warnings, as they keep no pipeline from running. */
  readonly fileProblems: readonly DefinitionProblem[];
};

/** Reads pipelines/<uuid>/triggers.yaml; a pipeline without one has no triggers. */
export async function readTriggers(
  pipeline: PipelineDefinition,
  setting: { readonly files: TextFiles; readonly env: Environment },
): Promise<TriggersFile> {
  const path = `pipelines/${pipeline.uuid}/triggers.yaml`;
  const file = await setting.files.read(path);
  if (file.kind === 'missing') return { triggers: [], isReadable: true, fileProblems: [] };
  const found: DefinitionProblem[] = [];
  const problems = problemsOf(path, found);
  if (file.kind === 'unusable') {
    problems.warning(null, `The file ${file.why}. ${triggersStay}`);
    return { triggers: [], isReadable: false, fileProblems: found };
  }
  const text = renderTemplate(file.text, { env: setting.env, variables: pipeline.variables }, problems);
  // An empty file is an empty list: people delete the last trigger that way.
  if (isBlank(text)) return { triggers: [], isReadable: true, fileProblems: found };
  const fields = parseYaml(text, problems);
  if (!fields) return { triggers: [], isReadable: false, fileProblems: asWarnings(found, triggersStay) };

  fields.warnOfSlips(['triggers']);
  const triggers: ReadTrigger[] = [];
  const lines = new Map<string, number | null>();
  for (const entry of fields.list('triggers')) {
    // `found` collects what belongs to no trigger; each trigger gets a collector of its own.
    const trigger = readTrigger(entry, pipeline.uuid, setting.env);
    if (trigger === null) continue;
    const { name } = trigger.definition;
    if (lines.has(name)) {
      const message = `The name "${name}" is already taken by the trigger on line ${lines.get(name)}, so this one is left out. Give it another.`;
      problems.warning(entry.lineOf('name'), message);
      continue;
    }
    lines.set(name, entry.lineOf('name'));
    triggers.push(trigger);
  }
  return { triggers, isReadable: true, fileProblems: asWarnings(found, '') };
}

const triggersStay = 'Until then its triggers stay as they were.';

function isBlank(text: string): boolean {
  return text.split('\n').every((line) => /^\s*(#.*|---\s*)?$/.test(line));
}

function asWarnings(found: readonly DefinitionProblem[], addition: string): readonly DefinitionProblem[] {
  return found.map((problem) =>
    problem.severity === 'warning'
      ? problem
      : { ...problem, severity: 'warning', message: `${problem.message} ${addition}`.trim() },
  );
}
