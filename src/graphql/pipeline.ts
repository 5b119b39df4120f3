import {
  type DefinitionProblem,
  type PipelineDefinition,
  type PipelineType,
  pipelineTypes,
} from '../domain/pipeline.ts';
import { maskVariables } from '../domain/variables.ts';
import type { Pipeline } from '../generated/prisma/client.ts';
import { BlockRef, blocksOf } from './block.ts';
import { builder, forViewers } from './builder.ts';
import { pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { ConcurrencyConfigRef } from './definition.ts';
import { DefinitionProblemRef } from './definition-problem.ts';
import { enumValues } from './enums.ts';
import { formatPipelineId } from './ids.ts';
import { NodeRef } from './node.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { PipelineRunFilter, pipelineRunCriteria } from './pipeline-run-filter.ts';
import { PipelineRunConnectionRef, PipelineRunOrder, pipelineRunPage } from './pipeline-run-list.ts';

export const PipelineTypeRef = builder.enumType('PipelineType', {
  description: 'What kind of pipeline the files describe. Only PYTHON ones can run.',
  values: enumValues(pipelineTypes, {
    python: 'Blocks that run one after another, in whatever languages.',
    streaming: 'A stream from a source to sinks; shown, not run.',
    integration: 'A data integration; shown, not run.',
    pyspark: 'For a Spark cluster; shown, not run.',
    databricks: 'For Databricks; shown, not run.',
    other: 'A type that this server does not know; shown, not run.',
  } satisfies Record<PipelineType, string>),
});

export const PipelineRef = builder.prismaObject('Pipeline', {
  description: 'A pipeline of the project: blocks that depend on each other, and how they are run.',
  interfaces: [NodeRef],
  authScopes: forViewers,
  fields: (t) => ({
    id: t.id({ description: 'For instance `pip_daily_sales`.', resolve: ({ uuid }) => formatPipelineId(uuid) }),
    uuid: t.exposeString('uuid', {
      description: "The folder's name in the project; the key that people and files use.",
    }),
    name: t.exposeString('name', { description: 'For people.' }),
    description: t.exposeString('description', { nullable: true, description: 'What it is for.' }),
    type: t.field({
      type: PipelineTypeRef,
      description: 'What kind of pipeline it is.',
      resolve: ({ type }) => pipelineTypes.find((known) => known === type) ?? 'other',
    }),
    tags: t.exposeStringList('tags', { description: 'Words to find it by.' }),
    variables: t.field({
      type: 'JSONObject',
      description: 'What its blocks receive unless a trigger or a run says otherwise. Values of secrets are masked.',
      resolve: async (pipeline, _args, context) => maskVariables((await definitionOf(context, pipeline)).variables),
    }),
    blocks: t.field({
      type: [BlockRef],
      description: 'Its blocks, conditionals and callbacks.',
      resolve: async (pipeline, _args, context) => blocksOf(await definitionOf(context, pipeline)),
    }),
    version: t.exposeString('version', { description: "Changes when the definition or any block's code changes." }),
    problems: t.field({
      type: [DefinitionProblemRef],
      description: 'What is wrong in its files, errors first.',
      resolve: ({ problems }) => problems as unknown as DefinitionProblem[],
    }),
    isRunnable: t.exposeBoolean('isRunnable', { description: 'Whether it can run: no problem of it is an error.' }),
    concurrency: t.field({
      type: ConcurrencyConfigRef,
      description: 'How much of it may run at the same time.',
      resolve: async (pipeline, _args, context) => (await definitionOf(context, pipeline)).concurrency,
    }),
    lastRun: t.field({
      type: PipelineRunRef,
      nullable: true,
      description: 'The newest run that was not skipped; null when none exists.',
      resolve: async ({ uuid }, _args, { loaders }) => {
        const last = await loaders.lastRunId.load(uuid);
        return last && loaders.pipelineRun.load(last.runId);
      },
    }),
    runs: t.field({
      type: PipelineRunConnectionRef,
      description: 'Its runs, newest first unless ordered otherwise.',
      args: {
        filter: t.arg({ type: PipelineRunFilter, description: 'Which of them; all unless given.' }),
        orderBy: t.arg({ type: PipelineRunOrder, description: 'CREATED_AT DESC unless given.' }),
        ...pageArguments(),
      },
      resolve: ({ uuid }, { filter, orderBy, ...page }, context, info) => {
        const criteria = filter ? { and: [pipelineRunCriteria(filter)] } : {};
        return pipelineRunPage(context, info, { ...criteria, pipelineUuid: { eq: uuid } }, orderBy, page);
      },
    }),
  }),
});

async function definitionOf(context: GraphQLContext, pipeline: Pipeline): Promise<PipelineDefinition> {
  const version = await context.database.definitions.load(pipeline.uuid, pipeline.version);
  if (version === null) throw new Error(`Pipeline ${pipeline.uuid} points at a version that is not there.`);
  return version.definition;
}

builder.prismaObjectField(PipelineRunRef, 'pipeline', (t) =>
  t.field({
    type: PipelineRef,
    nullable: true,
    description: "Null when the pipeline's files are gone; the run stays readable.",
    resolve: (run, _args, { loaders }) => loaders.pipeline.load(run.pipelineUuid),
  }),
);

builder.queryField('pipeline', (t) =>
  t.field({
    type: PipelineRef,
    nullable: true,
    description: 'A pipeline by its uuid; null when the project has none of that name.',
    authScopes: forViewers,
    args: { uuid: t.arg.string({ required: true, description: "The folder's name in the project." }) },
    resolve: (_root, { uuid }, { loaders }) => loaders.pipeline.load(uuid),
  }),
);
