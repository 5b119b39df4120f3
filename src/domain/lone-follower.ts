import type { PipelineDefinition } from './pipeline.ts';

/**
 * The blocks whose completion lets exactly one other block go on, which waits for nothing else: the inner links of a chain. Their ends need no
 * planner. None in a pipeline with callbacks or a block_run_limit, where an end decides more than what comes next.
 */
export function blocksWithLoneFollower(definition: PipelineDefinition): ReadonlySet<string> {
  if (definition.callbacks.length > 0 || definition.concurrency.blockRunLimit !== null) return new Set();
  const waiting = Map.groupBy(
    definition.blocks.flatMap((block) => block.upstreamBlocks.map((upstream) => ({ upstream, block }))),
    ({ upstream }) => upstream,
  );
  const isLone = (followers: readonly { readonly block: PipelineDefinition['blocks'][number] }[]) =>
    followers.length === 1 &&
    followers.every(({ block }) => block.upstreamBlocks.length === 1 && block.triggerRule === 'all_success');
  return new Set([...waiting].filter(([, followers]) => isLone(followers)).map(([upstream]) => upstream));
}
