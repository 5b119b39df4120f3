import { expect, test } from 'vitest';
import { blocksWithLoneFollower } from '../../src/domain/lone-follower.ts';
import type { PipelineDefinition } from '../../src/domain/pipeline.ts';

/** Blocks by what they wait for; `a?` waits by another rule. */
function pipeline(upstreams: Record<string, string>, given: Partial<PipelineDefinition> = {}): PipelineDefinition {
  const blocks = Object.entries(upstreams).map(([uuid, above]) => ({
    uuid: uuid.replace('?', ''),
    upstreamBlocks: [...above],
    triggerRule: uuid.endsWith('?') ? 'all_done' : 'all_success',
  }));
  return { blocks, callbacks: [], concurrency: { blockRunLimit: null }, ...given } as unknown as PipelineDefinition;
}

test.each([
  ['a chain: all but its last', pipeline({ a: '', b: 'a', c: 'b' }), ['a', 'b']],
  ['a diamond: none', pipeline({ a: '', b: 'a', c: 'a', d: 'bc' }), []],
  ['a tail below a join: its inner links', pipeline({ a: '', b: '', c: 'ab', d: 'c', e: 'd' }), ['c', 'd']],
  ['a block with a rule of its own follows nobody alone', pipeline({ a: '', 'b?': 'a', c: 'b' }), ['b']],
  ['with callbacks: none', pipeline({ a: '', b: 'a' }, { callbacks: [{}] as never }), []],
  ['with a block_run_limit: none', pipeline({ a: '', b: 'a' }, { concurrency: { blockRunLimit: 1 } as never }), []],
])('blocks with a lone follower, of %s', (_, definition, expected) => {
  expect([...blocksWithLoneFollower(definition)]).toEqual(expected);
});
