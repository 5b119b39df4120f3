import {
  type BlockDefinition,
  type BlockLanguage,
  type BlockType,
  blockLanguages,
  blockTypes,
  defaultCrashRetries,
  displayOnlyBlockTypes,
  type RetryConfig,
} from '../domain/pipeline.ts';
import { findBlockFile, languageOfFile } from './block-file.ts';
import type { Fields } from './fields.ts';
import { blockKeys } from './known-keys.ts';
import { readRetryConfig } from './limits.ts';
import { isRunHere } from './not-run-here.ts';
import type { TextFiles } from './text-files.ts';

/** A block as its entry says it, with what is only needed until the pipeline is put together. */
export type ReadBlock = {
  readonly definition: BlockDefinition;
  readonly fields: Fields;
  /** As written; the definition's lists are made from these. */
  readonly writtenUpstream: readonly string[];
  readonly writtenDownstream: readonly string[];
  readonly writtenConditionals: readonly string[];
  readonly writtenCallbacks: readonly string[];
};

/** What a block's entry is read with. */
export type BlockSetting = {
  readonly projectName: string;
  readonly files: TextFiles;
  readonly retryConfig: RetryConfig;
  /** Types the entry may leave unsaid: an entry of `conditionals` is a conditional. */
  readonly usualType: BlockType;
  /** The entries of the same pipeline, by uuid: `replicated_block` borrows another's file. */
  readonly entries: ReadonlyMap<string, Fields>;
};

/** Reads one entry of `blocks`, `conditionals` or `callbacks`; null when it has no uuid. Its code is read with it. */
export async function readBlock(entry: Fields, setting: BlockSetting): Promise<ReadBlock | null> {
  const uuid = entry.text('uuid');
  if (uuid === null || uuid === '') {
    entry.problems.error(
      entry.line,
      'This block has no uuid. Give it one, unique in the pipeline: "uuid: load_sales".',
    );
    return null;
  }
  entry.warnOfSlips(blockKeys);
  const type = readType(entry, setting.usualType);
  const configuredPaths = pathsOf(entry);
  const language = readLanguage(entry, configuredPaths[0] ?? null);
  const { file, code } = await readCode(entry, { uuid, type, language, configuredPaths }, setting);
  const definition: BlockDefinition = {
    uuid,
    name: entry.text('name') ?? uuid,
    type,
    language,
    upstreamBlocks: [],
    downstreamBlocks: [],
    conditionals: [],
    callbacks: [],
    file,
    code,
    configuration: entry.json('configuration'),
    retryConfig: readRetryConfig(entry, setting.retryConfig),
    crashRetries: entry.number('crash_retries', { min: 0, integer: true }) ?? defaultCrashRetries,
    timeoutSeconds: entry.number('timeout', { min: 0 }) || null,
    triggerRule:
      entry.oneOf('trigger_rule', ['all_success', 'none_failed', 'all_done', 'one_success']) ?? 'all_success',
    executorType: entry.text('executor_type') ?? 'local_python',
    label: entry.fields('executor_config').text('label') || 'default',
  };
  return {
    definition,
    fields: entry,
    writtenUpstream: entry.texts('upstream_blocks'),
    writtenDownstream: entry.texts('downstream_blocks'),
    writtenConditionals: entry.texts('conditional_blocks'),
    writtenCallbacks: entry.texts('callback_blocks'),
  };
}

function readType(entry: Fields, usual: BlockType): BlockType {
  const written = entry.text('type');
  if (written === null) {
    if (usual === 'other') {
      entry.problems.error(
        entry.line,
        'This block has no type. Add one: "type: data_loader", transformer, data_exporter, custom or sensor.',
      );
    }
    return usual;
  }
  return blockTypes.find((type) => type === written) ?? 'other';
}

function readLanguage(entry: Fields, path: string | null): BlockLanguage {
  const written = entry.text('language');
  if (written === null || written === '') return (path === null ? null : languageOfFile(path)) ?? 'python';
  return blockLanguages.find((language) => language === written) ?? 'other';
}

function pathsOf(entry: Fields): readonly string[] {
  if (!entry.has('configuration')) return [];
  const configuration = entry.fields('configuration');
  // file_source may be a mapping or, in old projects, absent; anything else is not ours to judge.
  const source = configuration.json('file_source').path;
  const paths = [typeof source === 'string' ? source : null, configuration.text('file_path')];
  return paths.filter((path): path is string => path !== null && path !== '');
}

async function readCode(
  entry: Fields,
  place: { uuid: string; type: BlockType; language: BlockLanguage; configuredPaths: readonly string[] },
  setting: BlockSetting,
): Promise<Pick<BlockDefinition, 'file' | 'code'>> {
  const original = entry.text('replicated_block') || null;
  const originalEntry = original === null ? undefined : setting.entries.get(original);
  const found = await findBlockFile(
    {
      ...place,
      uuid: original ?? place.uuid,
      configuredPaths:
        originalEntry && place.configuredPaths.length === 0 ? pathsOf(originalEntry) : place.configuredPaths,
    },
    setting.projectName,
    setting.files,
  );
  if (found.kind === 'found') return { file: found.path, code: found.code };
  // What is only shown, or refused anyway, needs no second complaint.
  const isNeeded = isRunHere(place) && !displayOnlyBlockTypes.has(place.type);
  if (isNeeded) entry.problems.error(entry.lineOf('uuid'), found.message);
  return { file: null, code: null };
}
