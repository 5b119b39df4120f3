import {
  type BlockDefinition,
  type BlockLanguage,
  type BlockType,
  displayOnlyBlockTypes,
  type PipelineType,
} from '../domain/pipeline.ts';
import type { Fields } from './fields.ts';

const languagesRun: ReadonlySet<BlockLanguage> = new Set(['python', 'typescript', 'javascript', 'shell']);
const typesRun: ReadonlySet<BlockType> = new Set(['data_loader', 'transformer', 'data_exporter', 'custom', 'sensor']);
const localExecutors: ReadonlySet<string> = new Set(['local_python', 'local', '']);

const attachedTypes: ReadonlySet<BlockType> = new Set(['conditional', 'callback']);
const attachedLanguages: ReadonlySet<BlockLanguage> = new Set(['python', 'typescript', 'javascript']);

/** True for a block whose type and language this version executes. */
export function isRunHere({ type, language }: { readonly type: BlockType; readonly language: BlockLanguage }): boolean {
  if (attachedTypes.has(type)) return attachedLanguages.has(language);
  return typesRun.has(type) && languagesRun.has(language);
}

/** Refuses a conditional or callback in a language in which this version runs none; one that is attached to nothing hinders nobody. */
export function refuseAttached(attached: BlockDefinition, blocks: readonly BlockDefinition[], fields: Fields): void {
  const isUsed = blocks.some(({ conditionals, callbacks }) => [...conditionals, ...callbacks].includes(attached.uuid));
  if (!isUsed || attachedLanguages.has(attached.language)) return;
  fields.problems.error(
    fields.lineOf('language'),
    `The ${attached.type} "${attached.uuid}" is written in "${fields.text('language') ?? attached.language}", which is not run by this version. These run: ${[...attachedLanguages].join(', ')}.`,
  );
}

/** Refuses a pipeline whose type this version does not run; it is shown all the same. */
export function refusePipelineType(type: PipelineType, fields: Fields): void {
  if (type === 'python') return;
  const written = fields.text('type');
  fields.problems.error(
    fields.lineOf('type'),
    `A pipeline of type "${written}" is not run by this version. It is shown only; pipelines of type "python" run.`,
  );
}

/** Refuses what this version does not run in a block: its type, its language, dynamic children. */
export function refuseBlock(block: BlockDefinition, fields: Fields): void {
  if (displayOnlyBlockTypes.has(block.type)) return;
  const { problems } = fields;
  const refuse = (key: string, what: string, remedy: string) =>
    problems.error(fields.lineOf(key), `Block "${block.uuid}" ${what}, which is not run by this version. ${remedy}`);
  if (!typesRun.has(block.type)) {
    if (fields.has('type'))
      refuse('type', `is of type "${fields.text('type')}"`, `These run: ${[...typesRun].join(', ')}.`);
  } else if (!languagesRun.has(block.language)) {
    refuse(
      'language',
      `is written in "${fields.text('language') ?? block.language}"`,
      `These run: ${[...languagesRun].join(', ')}.`,
    );
  }
  if (isDynamic(block.configuration.dynamic)) {
    refuse('configuration', 'is dynamic', 'Remove configuration.dynamic, or do the work of its children in one block.');
  }
}

/** Says once per pipeline that blocks meant for other machines run on this one's workers. */
export function warnOfExecutors(
  blocks: readonly { readonly definition: BlockDefinition; readonly fields: Fields }[],
): void {
  const elsewhere = blocks.filter(({ definition }) => !localExecutors.has(definition.executorType));
  const first = elsewhere[0];
  if (!first) return;
  const types = [...new Set(elsewhere.map(({ definition }) => definition.executorType))].join(', ');
  first.fields.problems.warning(
    first.fields.lineOf('executor_type'),
    `executor_type ${types} (${elsewhere.length} blocks) is not used: these blocks run on the ordinary workers. Set executor_type to local_python to say so.`,
  );
}

/** `dynamic: {parent: false}` is not dynamic, nor is `dynamic: false`. */
function isDynamic(dynamic: BlockDefinition['configuration'][string] | undefined): boolean {
  if (typeof dynamic !== 'object' || dynamic === null || Array.isArray(dynamic)) return Boolean(dynamic);
  return (dynamic as { readonly parent?: unknown }).parent !== false;
}
