import type { BatchOperation, BlockRun, Pipeline, PipelineRun } from '../generated/prisma/client.ts';
import { builder, forViewers } from './builder.ts';
import type { GraphQLContext } from './context.ts';
import { parseId, parsePipelineId } from './ids.ts';
import { invalidInput } from './request-errors.ts';

/** Everything that can be asked for by its global id. */
export type NodeRow = Pipeline | PipelineRun | BlockRun | BatchOperation;

export const NodeRef = builder.interfaceRef<NodeRow>('Node').implement({
  description: 'Whatever has a global id: opaque, but readable, like `run_1042`, `blk_77` or `pip_daily_sales`.',
  authScopes: forViewers,
  resolveType: (row) => {
    if ('uuid' in row) return 'Pipeline';
    if ('blocksTotal' in row) return 'PipelineRun';
    return 'succeeded' in row ? 'BatchOperation' : 'BlockRun';
  },
  fields: (t) => ({
    id: t.id({
      description: 'Unique in the whole API.',
      resolve: () => {
        throw new Error('Every node type resolves its own id.');
      },
    }),
  }),
});

const mostNodes = 100;

builder.queryFields((t) => ({
  node: t.field({
    type: NodeRef,
    nullable: true,
    description: 'Anything by its global id; null when there is no such thing.',
    authScopes: forViewers,
    args: { id: t.arg.id({ required: true, description: 'For instance `run_1042`.' }) },
    resolve: (_root, { id }, context) => loadNode(context, id),
  }),
  nodes: t.field({
    type: [NodeRef],
    nullable: { list: false, items: true },
    description: 'Many things by their global ids, in the order asked; null where there is no such thing.',
    authScopes: forViewers,
    args: { ids: t.arg.idList({ required: true, description: `At most ${mostNodes}.` }) },
    resolve: (_root, { ids }, context) => {
      if (ids.length > mostNodes) throw invalidInput(`${ids.length} ids; at most ${mostNodes} can be read at once.`);
      return ids.map((id) => loadNode(context, id));
    },
  }),
}));

async function loadNode({ loaders }: GraphQLContext, globalId: string): Promise<NodeRow | null> {
  const runId = parseId('run', globalId);
  if (runId !== null) return loaders.pipelineRun.load(runId);
  const blockRunId = parseId('blk', globalId);
  if (blockRunId !== null) return loaders.blockRun.load(blockRunId);
  const batchId = parseId('bop', globalId);
  if (batchId !== null) return loaders.batchOperation.load(batchId);
  const pipelineUuid = parsePipelineId(globalId);
  if (pipelineUuid !== null) return loaders.pipeline.load(pipelineUuid);
  return null;
}
