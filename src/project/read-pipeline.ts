import {
  type BlockType,
  type DefinitionProblem,
  executableBlocks,
  type PipelineDefinition,
  type PipelineType,
  pipelineTypes,
  type RetryConfig,
} from '../domain/pipeline.ts';
import { connectBlocks } from './connect-blocks.ts';
import { versionOf } from './definition-version.ts';
import type { Fields } from './fields.ts';
import { findCycles } from './find-cycles.ts';
import { pipelineKeys } from './known-keys.ts';
import { readConcurrency, readRetryConfig } from './limits.ts';
import { refuseAttached, refuseBlock, refusePipelineType, warnOfExecutors } from './not-run-here.ts';
import { type Problems, problemsOf } from './problems.ts';
import type { ReadPipeline, ReadTrigger } from './project.ts';
import { type BlockSetting, type ReadBlock, readBlock } from './read-block.ts';
import { readTriggers } from './read-triggers.ts';
import type { Environment } from './templates.ts';
import type { TextFiles } from './text-files.ts';
import { parseYaml } from './yaml-document.ts';

/** What all pipelines of a project are read with. */
export type PipelineSetting = {
  readonly projectName: string;
  readonly files: TextFiles;
  readonly env: Environment;
  readonly retryConfig: RetryConfig;
};

/** Reads pipelines/<uuid>/ with its code and triggers. Whatever is wrong is in the answer's problems; it never rejects for them. */
export async function readPipeline(uuid: string, setting: PipelineSetting): Promise<ReadPipeline> {
  const found: DefinitionProblem[] = [];
  const problems = problemsOf(`pipelines/${uuid}/metadata.yaml`, found);
  const fields = await readFields(problems, setting.files);
  const definition = fields ? await readDefinition(uuid, fields, setting) : emptyDefinition(uuid, setting);
  const isRunnable = !found.some((problem) => problem.severity === 'error');
  const { triggers, isReadable, fileProblems } = await readTriggers(definition, setting);
  return {
    uuid,
    version: versionOf(definition),
    definition,
    problems: [...found, ...fileProblems, ...triggers.flatMap(asSeenFromPipeline)],
    isRunnable,
    triggers,
    areTriggersReadable: isReadable,
  };
}

/** What is wrong with a trigger keeps it from firing, and its pipeline from nothing. */
function asSeenFromPipeline({ definition, problems }: ReadTrigger): readonly DefinitionProblem[] {
  return problems.map((problem) =>
    problem.severity === 'warning'
      ? problem
      : {
          ...problem,
          severity: 'warning',
          message: `${problem.message} Until then the trigger "${definition.name}" does not fire.`,
        },
  );
}

async function readFields(problems: Problems, files: TextFiles): Promise<Fields | null> {
  const file = await files.read(problems.file);
  if (file.kind === 'text') return parseYaml(file.text, problems);
  problems.error(
    null,
    file.kind === 'missing'
      ? 'This pipeline folder has no metadata.yaml. Add one that lists its blocks, or remove the folder.'
      : `The file ${file.why}. Mend that, or remove the folder of this pipeline.`,
  );
  return null;
}

/** Stands for a pipeline whose file can't be read: it is shown with its problems. */
function emptyDefinition(uuid: string, setting: PipelineSetting): PipelineDefinition {
  return {
    uuid,
    name: uuid,
    description: null,
    type: 'python',
    tags: [],
    variables: {},
    blocks: [],
    conditionals: [],
    callbacks: [],
    concurrency: {
      blockRunLimit: null,
      pipelineRunLimit: null,
      pipelineRunLimitAllTriggers: null,
      onPipelineRunLimitReached: 'wait',
    },
    retryConfig: setting.retryConfig,
  };
}

async function readDefinition(uuid: string, fields: Fields, setting: PipelineSetting): Promise<PipelineDefinition> {
  warnOfOddities(uuid, fields);
  const type = readType(fields);
  refusePipelineType(type, fields);
  const retryConfig = readRetryConfig(fields, setting.retryConfig);
  const lists = await readBlockLists(fields, { ...setting, retryConfig });
  const blocks = connectBlocks(lists);
  reportCycles(blocks, lists.blocks);
  blocks.forEach((block, index) => {
    refuseBlock(block, lists.blocks[index]!.fields);
  });
  for (const { definition, fields: entry } of [...lists.conditionals, ...lists.callbacks]) {
    refuseAttached(definition, blocks, entry);
  }
  warnOfExecutors(lists.blocks);
  const definition: PipelineDefinition = {
    uuid,
    name: fields.text('name') || uuid,
    description: fields.text('description'),
    type,
    tags: fields.texts('tags'),
    variables: fields.json('variables'),
    blocks,
    conditionals: lists.conditionals.map((read) => read.definition),
    callbacks: lists.callbacks.map((read) => read.definition),
    concurrency: readConcurrency(fields, setting.env),
    retryConfig,
  };
  if (executableBlocks(definition).length === 0) {
    fields.problems.error(
      fields.lineOf('blocks'),
      'The pipeline has no block to run. Add at least one under "blocks:".',
    );
  }
  return definition;
}

function warnOfOddities(uuid: string, fields: Fields): void {
  fields.warnOfSlips(pipelineKeys);
  const written = fields.text('uuid');
  if (written !== null && written !== uuid) {
    fields.problems.warning(
      fields.lineOf('uuid'),
      `The file says uuid "${written}", but the folder is "${uuid}", and the folder's name is used. Make both agree.`,
    );
  }
  if (fields.flag('run_pipeline_in_one_process')) {
    fields.problems.warning(
      fields.lineOf('run_pipeline_in_one_process'),
      "Blocks run in processes of their own here, so kwargs['context'] does not travel from block to block. Hand values on as outputs.",
    );
  }
}

function readType(fields: Fields): PipelineType {
  const written = fields.text('type');
  if (written === null || written === '') return 'python';
  return pipelineTypes.find((type) => type === written) ?? 'other';
}

async function readBlockLists(fields: Fields, setting: PipelineSetting) {
  const entries = fields.list('blocks');
  const byUuid = new Map(entries.map((entry) => [String(entry.text('uuid')), entry]));
  const readAll = async (list: readonly Fields[], usualType: BlockType) => {
    const blockSetting: BlockSetting = { ...setting, usualType, entries: byUuid };
    const blocks = await Promise.all(list.map((entry) => readBlock(entry, blockSetting)));
    return withoutDuplicates(blocks.filter((block) => block !== null));
  };
  return {
    blocks: await readAll(entries, 'other'),
    conditionals: await readAll(fields.list('conditionals'), 'conditional'),
    callbacks: await readAll(fields.list('callbacks'), 'callback'),
  };
}

function withoutDuplicates(blocks: readonly ReadBlock[]): readonly ReadBlock[] {
  const lines = new Map<string, number | null>();
  return blocks.filter(({ definition: { uuid }, fields }) => {
    if (!lines.has(uuid)) {
      lines.set(uuid, fields.lineOf('uuid'));
      return true;
    }
    const message = `The uuid "${uuid}" is already taken by the block on line ${lines.get(uuid)}. Give this one another.`;
    fields.problems.error(fields.lineOf('uuid'), message);
    return false;
  });
}

function reportCycles(blocks: PipelineDefinition['blocks'], read: readonly ReadBlock[]): void {
  const upstream = new Map(blocks.map((block) => [block.uuid, block.upstreamBlocks]));
  for (const cycle of findCycles(upstream)) {
    const first = read.find(({ definition }) => definition.uuid === cycle[0]);
    first?.fields.problems.error(
      first.fields.lineOf('upstream_blocks'),
      `These blocks wait for each other: ${[...cycle, cycle[0]].join(' → ')}. Remove one of them from upstream_blocks.`,
    );
  }
}
