import { isTerminalBlock, type RunError } from '../domain/lifecycle.ts';
import type { BlockTestResult } from '../domain/outputs.ts';
import { type BlockDefinition, defaultRetryConfig } from '../domain/pipeline.ts';
import { maskVariables } from '../domain/variables.ts';
import type { BlockRun } from '../generated/prisma/client.ts';
import { BlockLanguageRef, BlockTypeRef, findBlock, RetryConfigRef } from './block.ts';
import { BlockRunAttemptRef } from './block-run-attempt.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { formatId, parseId } from './ids.ts';
import { NodeRef } from './node.ts';
import { BlockOutputRef, BlockTestRef, sampleCountArguments, sampleOutputs } from './output.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { invalidInput } from './request-errors.ts';
import { ResourceUsageRef, resourceUsage } from './resource-usage.ts';
import { BlockRunStatusRef, millisecondsBetween, RunErrorRef, StatusReasonRef, statusReason } from './status.ts';

const mostAttempts = 100;

export const BlockRunRef = builder.prismaObject('BlockRun', {
  description: 'One block within one run: where it stands, what it did, and every attempt at it.',
  interfaces: [NodeRef],
  authScopes: forViewers,
  fields: (t) => ({
    id: t.id({ description: 'For instance `blk_77`.', resolve: (block) => formatId('blk', block.id) }),
    pipelineRun: t.field({
      type: PipelineRunRef,
      description: 'The run that it belongs to.',
      resolve: (block, _args, context) => runOf(context, block),
    }),
    blockUuid: t.exposeString('blockUuid', { description: 'The block that it runs; unique in its pipeline.' }),
    name: t.string({
      description: "The block's name for people.",
      resolve: async (block, _args, context) => (await definitionOf(context, block))?.name ?? block.blockUuid,
    }),
    configuration: t.field({
      type: 'JSONObject',
      description: "The block's `configuration` in the pipeline file that the run was made from.",
      resolve: async (block, _args, context) =>
        maskVariables((await definitionOf(context, block))?.configuration ?? {}),
    }),
    retryConfig: t.field({
      type: RetryConfigRef,
      description: 'How it is retried by itself.',
      resolve: async (block, _args, context) => (await definitionOf(context, block))?.retryConfig ?? defaultRetryConfig,
    }),
    timeoutSeconds: t.exposeFloat('timeoutSeconds', {
      nullable: true,
      description: 'How long one attempt may take; null for no limit.',
    }),
    blockType: t.field({
      type: BlockTypeRef,
      description: 'What the block is for.',
      resolve: async (block, _args, context) => (await definitionOf(context, block))?.type ?? 'other',
    }),
    language: t.field({
      type: BlockLanguageRef,
      description: "What the block's code is written in.",
      resolve: async (block, _args, context) => (await definitionOf(context, block))?.language ?? 'other',
    }),
    status: t.expose('status', { type: BlockRunStatusRef, description: 'Where it stands.' }),
    isTerminal: t.boolean({
      description: 'Whether it has ended; only a retry moves it then.',
      resolve: (block) => isTerminalBlock(block.status),
    }),
    statusReason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why it stands there; set for every end.',
      resolve: (block) => statusReason(block),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made, with its run.' }),
    queuedAt: t.expose('queuedAt', { type: 'DateTime', nullable: true, description: 'When it became ready to run.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its newest attempt began.',
    }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Set for every terminal status.',
    }),
    durationMs: t.float({
      nullable: true,
      description: 'completedAt − startedAt; null until its end, and when it never ran.',
      resolve: (block) => millisecondsBetween(block.startedAt, block.completedAt),
    }),
    attempt: t.exposeInt('attempt', { description: "The present attempt's number, 0 before the first." }),
    attempts: t.field({
      type: [BlockRunAttemptRef],
      extensions: { typicalItems: 3 },
      description: 'The attempts ever made, oldest first (the newest `last` of them); a retry never removes one.',
      args: {
        last: t.arg.int({
          defaultValue: 20,
          description: `How many, the newest: 20 unless given, at most ${mostAttempts}.`,
        }),
      },
      resolve: async (block, { last }, { loaders }) => {
        const count = last ?? 20;
        if (count < 0 || count > mostAttempts) {
          throw invalidInput(`\`last\` is ${count}; it can be 0 to ${mostAttempts}.`);
        }
        const attempts = await loaders.attemptsOfBlockRun.load(block.id);
        return attempts.slice(Math.max(0, attempts.length - count));
      },
    }),
    error: t.field({
      type: RunErrorRef,
      nullable: true,
      description: "The newest attempt's error.",
      resolve: (block) => block.error as RunError | null,
    }),
    outputs: t.field({
      type: [BlockOutputRef],
      nullable: true,
      description:
        "The newest attempt's outputs, output_0 first; null with an error when the store can't be reached. At most 1,000 rows.",
      args: sampleCountArguments,
      extensions: { cost: 5 },
      resolve: (block, { sampleCount }, context) => sampleOutputs(context, block.outputs, sampleCount),
    }),
    tests: t.field({
      type: [BlockTestRef],
      description: "The tests of the newest attempt's output.",
      resolve: async (block, _args, context) =>
        ((await newestAttempt(context, block))?.tests ?? []) as unknown as BlockTestResult[],
    }),
    resourceUsage: t.field({
      type: ResourceUsageRef,
      nullable: true,
      description: 'What its newest attempt used; null until it has ended.',
      resolve: async (block, _args, context) => {
        const attempt = await newestAttempt(context, block);
        return attempt && resourceUsage(attempt, millisecondsBetween(attempt.startedAt, attempt.completedAt));
      },
    }),
  }),
});

for (const [direction, description] of [
  ['upstream', 'The block runs whose output it is given.'],
  ['downstream', 'The block runs that are given its output.'],
] as const) {
  builder.prismaObjectField(BlockRunRef, direction, (t) =>
    t.field({
      type: [BlockRunRef],
      description,
      resolve: async (block, _args, { loaders }) => {
        const neighbours = await Promise.all(block[direction].map((id) => loaders.blockRun.load(id)));
        return neighbours.filter((neighbour) => neighbour !== null);
      },
    }),
  );
}

async function runOf({ loaders }: GraphQLContext, block: BlockRun) {
  const run = await loaders.pipelineRun.load(block.pipelineRunId);
  if (run === null) throw new Error(`Block run ${block.id} has no run.`);
  return run;
}

/** The block as the definition of its run has it; null when that definition doesn't name it. */
async function definitionOf(context: GraphQLContext, block: BlockRun): Promise<BlockDefinition | null> {
  const run = await runOf(context, block);
  const version = await context.database.definitions.load(run.pipelineUuid, run.pipelineVersion);
  return version && findBlock(version.definition, block.blockUuid);
}

async function newestAttempt({ loaders }: GraphQLContext, block: BlockRun) {
  return (await loaders.attemptsOfBlockRun.load(block.id)).at(-1) ?? null;
}

builder.queryField('blockRun', (t) =>
  t.field({
    type: BlockRunRef,
    nullable: true,
    description: 'A block run by its id; null when there is none.',
    authScopes: forViewers,
    args: { id: t.arg.id({ required: true, description: 'For instance `blk_77`.' }) },
    resolve: (_root, { id }, { loaders }) => {
      const blockRunId = parseId('blk', id);
      return blockRunId === null ? null : loaders.blockRun.load(blockRunId);
    },
  }),
);
