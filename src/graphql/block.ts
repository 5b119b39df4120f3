import {
  type BlockDefinition,
  type BlockLanguage,
  type BlockType,
  blockLanguages,
  blockTypes,
  type PipelineDefinition,
  type RetryConfig,
  type TriggerRule,
} from '../domain/pipeline.ts';
import { maskVariables } from '../domain/variables.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';

/** Blocks, as the project's files say what they are. */

export const BlockTypeRef = builder.enumType('BlockType', {
  description: 'What a block is for.',
  values: enumValues(blockTypes, {
    data_loader: 'Brings data in.',
    transformer: 'Makes data from the data of its upstream blocks.',
    data_exporter: 'Takes data out.',
    sensor: 'Waits until something is true.',
    custom: 'Anything else that runs.',
    conditional: 'Decides whether the blocks that it is attached to run.',
    callback: 'Runs after the blocks that it is attached to.',
    dbt: 'A dbt model or command.',
    markdown: 'Text for readers; not executed.',
    scratchpad: 'For trying things; not executed.',
    chart: 'A picture of data; not executed.',
    global_data_product: "Another pipeline's output.",
    other: 'A type that this server does not know.',
  } satisfies Record<BlockType, string>),
});

export const BlockLanguageRef = builder.enumType('BlockLanguage', {
  description: 'What the code of a block is written in.',
  values: enumValues(blockLanguages, {
    python: 'Python.',
    typescript: 'TypeScript.',
    javascript: 'JavaScript.',
    sql: 'SQL.',
    shell: 'A shell script.',
    r: 'R.',
    yaml: 'YAML.',
    markdown: 'Markdown.',
    other: 'A language that this server does not know.',
  } satisfies Record<BlockLanguage, string>),
});

const triggerRules: readonly TriggerRule[] = ['all_success', 'none_failed', 'all_done', 'one_success'];
const TriggerRuleRef = builder.enumType('TriggerRule', {
  description: 'When a block may run, judged by its upstream blocks.',
  values: enumValues(triggerRules, {
    all_success: 'All of them completed. The default.',
    none_failed: 'All of them ended and none failed; one that was skipped is fine.',
    all_done: 'All of them ended, however.',
    one_success: 'One of them completed.',
  } satisfies Record<TriggerRule, string>),
});

export const RetryConfigRef = builder.objectRef<RetryConfig>('RetryConfig').implement({
  description: 'How a failed attempt is retried by itself.',
  authScopes: forViewers,
  fields: (t) => ({
    retries: t.exposeInt('retries', { description: 'How often, after the first attempt.' }),
    delaySeconds: t.exposeFloat('delaySeconds', { description: 'The wait before the first retry.' }),
    maxDelaySeconds: t.exposeFloat('maxDelaySeconds', { description: 'No wait is longer than this.' }),
    exponentialBackoff: t.exposeBoolean('exponentialBackoff', { description: 'Whether each wait doubles the last.' }),
  }),
});

/** A block, and the definition that its neighbours are in. */
export type BlockInDefinition = { readonly block: BlockDefinition; readonly definition: PipelineDefinition };

export const BlockRef = builder.objectRef<BlockInDefinition>('Block');

BlockRef.implement({
  description: 'A block as a definition has it.',
  authScopes: forViewers,
  fields: (t) => ({
    uuid: t.string({ description: 'Unique in its pipeline.', resolve: ({ block }) => block.uuid }),
    name: t.string({ description: 'For people.', resolve: ({ block }) => block.name }),
    type: t.field({ type: BlockTypeRef, description: 'What it is for.', resolve: ({ block }) => block.type }),
    language: t.field({
      type: BlockLanguageRef,
      description: 'What its code is written in.',
      resolve: ({ block }) => block.language,
    }),
    upstreamBlocks: t.field({
      type: [BlockRef],
      description: "The blocks whose output it is given, in the order of its function's arguments.",
      resolve: (parent) => named(parent.definition, parent.block.upstreamBlocks),
    }),
    downstreamBlocks: t.field({
      type: [BlockRef],
      description: 'The blocks that are given its output.',
      resolve: (parent) => named(parent.definition, parent.block.downstreamBlocks),
    }),
    conditionals: t.field({
      type: [BlockRef],
      description: 'The conditional blocks that decide whether it runs.',
      resolve: (parent) => named(parent.definition, parent.block.conditionals),
    }),
    callbacks: t.field({
      type: [BlockRef],
      description: 'The callback blocks that run after it.',
      resolve: (parent) => named(parent.definition, parent.block.callbacks),
    }),
    file: t.string({
      nullable: true,
      description: 'Where its code is, relative to the project; null when it has none.',
      resolve: ({ block }) => block.file,
    }),
    code: t.string({ nullable: true, description: 'Its code.', resolve: ({ block }) => block.code }),
    configuration: t.field({
      type: 'JSONObject',
      description: 'Its `configuration` in the pipeline file.',
      resolve: ({ block }) => maskVariables(block.configuration),
    }),
    retryConfig: t.field({
      type: RetryConfigRef,
      description: 'How it is retried; project, pipeline and block levels merged.',
      resolve: ({ block }) => block.retryConfig,
    }),
    timeoutSeconds: t.float({
      nullable: true,
      description: 'How long one attempt may take; null for no limit.',
      resolve: ({ block }) => block.timeoutSeconds,
    }),
    triggerRule: t.field({
      type: TriggerRuleRef,
      description: 'When it may run.',
      resolve: ({ block }) => block.triggerRule,
    }),
    executorType: t.string({ description: 'Where it runs.', resolve: ({ block }) => block.executorType }),
  }),
});

/** All blocks of a definition: those that run, then conditionals and callbacks. */
export function blocksOf(definition: PipelineDefinition): BlockInDefinition[] {
  return everyBlock(definition).map((block) => ({ block, definition }));
}

function named(definition: PipelineDefinition, uuids: readonly string[]): BlockInDefinition[] {
  return uuids.flatMap((uuid) => {
    const block = findBlock(definition, uuid);
    return block ? [{ block, definition }] : [];
  });
}

const blocksByUuid = new WeakMap<PipelineDefinition, ReadonlyMap<string, BlockDefinition>>();

/** The block of that name; null when the definition has none. A page of block runs asks a thousand times. */
export function findBlock(definition: PipelineDefinition, uuid: string): BlockDefinition | null {
  let blocks = blocksByUuid.get(definition);
  if (!blocks) {
    blocks = new Map(everyBlock(definition).map((block) => [block.uuid, block]));
    blocksByUuid.set(definition, blocks);
  }
  return blocks.get(uuid) ?? null;
}

function everyBlock(definition: PipelineDefinition): readonly BlockDefinition[] {
  return [...definition.blocks, ...definition.conditionals, ...definition.callbacks];
}
