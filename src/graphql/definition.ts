import type { ConcurrencyConfig } from '../domain/pipeline.ts';
import { maskVariables } from '../domain/variables.ts';
import type { DefinitionVersion } from '../store/definitions.ts';
import { BlockRef, blocksOf } from './block.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';

/** Versions of a pipeline's definition, and what they say about the whole. */

const limitReachedPolicies = ['wait', 'skip'] as const;
const LimitReachedPolicy = builder.enumType('LimitReachedPolicy', {
  description: 'What becomes of a new run when a limit on running runs is reached.',
  values: enumValues(limitReachedPolicies, {
    wait: 'It waits until a running one ends.',
    skip: 'It is cancelled at once, with the reason SKIPPED_LIMIT.',
  }),
});

export const ConcurrencyConfigRef = builder.objectRef<ConcurrencyConfig>('ConcurrencyConfig').implement({
  description: 'How much of a pipeline may run at the same time. Null means no limit.',
  authScopes: forViewers,
  fields: (t) => ({
    blockRunLimit: t.exposeInt('blockRunLimit', {
      nullable: true,
      description: 'Block runs queued or running within one run.',
    }),
    pipelineRunLimit: t.exposeInt('pipelineRunLimit', {
      nullable: true,
      description: 'Running runs of each trigger; those without a trigger are one more group.',
    }),
    pipelineRunLimitAllTriggers: t.exposeInt('pipelineRunLimitAllTriggers', {
      nullable: true,
      description: 'Running runs of the pipeline.',
    }),
    onPipelineRunLimitReached: t.expose('onPipelineRunLimitReached', {
      type: LimitReachedPolicy,
      description: 'What becomes of a new run then.',
    }),
  }),
});

export const PipelineVersionRef = builder.objectRef<DefinitionVersion>('PipelineVersion').implement({
  description: "A pipeline's definition and code as they stood at one time; runs point at the one they were made from.",
  authScopes: forViewers,
  fields: (t) => ({
    version: t.exposeString('version', { description: 'Changes with the definition and with the code of any block.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was first read from the project.' }),
    blocks: t.field({
      type: [BlockRef],
      description: 'Its blocks, conditionals and callbacks.',
      resolve: ({ definition }) => blocksOf(definition),
    }),
    variables: t.field({
      type: 'JSONObject',
      description: 'The variables of the pipeline file. Values of secrets are masked.',
      resolve: ({ definition }) => maskVariables(definition.variables),
    }),
  }),
});
