import { type BlockDefinition, displayOnlyBlockTypes } from '../domain/pipeline.ts';
import type { ReadBlock } from './read-block.ts';

/** All that a pipeline's file lists, each uuid once per list. */
export type BlockLists = {
  readonly blocks: readonly ReadBlock[];
  readonly conditionals: readonly ReadBlock[];
  readonly callbacks: readonly ReadBlock[];
};

/** Turns what the entries say of each other into edges and attachments; reports what does not fit together. */
export function connectBlocks(lists: BlockLists): readonly BlockDefinition[] {
  const byUuid = new Map(lists.blocks.map((block) => [block.definition.uuid, block]));
  const upstream = new Map(lists.blocks.map((block) => [block.definition.uuid, upstreamOf(block, byUuid)]));
  const downstream = new Map<string, string[]>();
  for (const [uuid, above] of upstream) {
    for (const one of above) downstream.set(one, [...(downstream.get(one) ?? []), uuid]);
  }
  const attached = new Set([...lists.conditionals, ...lists.callbacks].map((block) => block.definition.uuid));
  for (const block of lists.blocks) compareDownstream(block, upstream, attached);
  const conditionals = attachments(lists.conditionals, lists.blocks, 'conditional');
  const callbacks = attachments(lists.callbacks, lists.blocks, 'callback');
  return lists.blocks.map(({ definition }) => ({
    ...definition,
    upstreamBlocks: upstream.get(definition.uuid) ?? [],
    downstreamBlocks: downstream.get(definition.uuid) ?? [],
    conditionals: conditionals.get(definition.uuid) ?? [],
    callbacks: callbacks.get(definition.uuid) ?? [],
  }));
}

function upstreamOf(block: ReadBlock, byUuid: ReadonlyMap<string, ReadBlock>): readonly string[] {
  const { definition, fields } = block;
  const line = fields.lineOf('upstream_blocks');
  const runs = !displayOnlyBlockTypes.has(definition.type);
  return [...new Set(block.writtenUpstream)].filter((uuid) => {
    const above = byUuid.get(uuid);
    if (!above) {
      fields.problems.error(
        line,
        `Block "${definition.uuid}" names "${uuid}" as upstream, but the pipeline has no such block. Add the block, or remove the name.`,
      );
      return false;
    }
    if (runs && displayOnlyBlockTypes.has(above.definition.type)) {
      fields.problems.warning(
        line,
        `Block "${definition.uuid}" names the ${above.definition.type} block "${uuid}" as upstream; it does not run and gives nothing. Remove the name.`,
      );
      return false;
    }
    return true;
  });
}

/** `upstream_blocks` decides; a `downstream_blocks` that says otherwise was probably forgotten in an edit. */
function compareDownstream(
  block: ReadBlock,
  upstream: ReadonlyMap<string, readonly string[]>,
  attached: ReadonlySet<string>,
): void {
  const { definition, fields, writtenDownstream } = block;
  for (const below of new Set(writtenDownstream)) {
    if (attached.has(below) || upstream.get(below)?.includes(definition.uuid)) continue;
    if (displayOnlyBlockTypes.has(definition.type)) continue;
    fields.problems.warning(
      fields.lineOf('downstream_blocks'),
      upstream.has(below)
        ? `Block "${definition.uuid}" names "${below}" as downstream, but "${below}" does not name it as upstream. upstream_blocks decides; make both agree.`
        : `Block "${definition.uuid}" names "${below}" as downstream, but the pipeline has no such block. Remove the name.`,
    );
  }
}

/** Both ways of attaching: the attached entry's own `upstream_blocks`, and the block's `conditional_blocks` or `callback_blocks`. */
function attachments(
  entries: readonly ReadBlock[],
  blocks: readonly ReadBlock[],
  kind: 'conditional' | 'callback',
): ReadonlyMap<string, readonly string[]> {
  const known = new Set(entries.map((entry) => entry.definition.uuid));
  const byBlock = new Map<string, Set<string>>(blocks.map((block) => [block.definition.uuid, new Set<string>()]));
  for (const { definition, fields, writtenUpstream } of entries) {
    for (const uuid of writtenUpstream) {
      const to = byBlock.get(uuid);
      if (to) to.add(definition.uuid);
      else {
        fields.problems.warning(
          fields.lineOf('upstream_blocks'),
          `The ${kind} "${definition.uuid}" is attached to "${uuid}", but the pipeline has no such block. Remove the name.`,
        );
      }
    }
  }
  for (const block of blocks) {
    const names = kind === 'conditional' ? block.writtenConditionals : block.writtenCallbacks;
    for (const name of names) {
      if (known.has(name)) byBlock.get(block.definition.uuid)?.add(name);
      else {
        block.fields.problems.error(
          block.fields.lineOf(`${kind}_blocks`),
          `Block "${block.definition.uuid}" names the ${kind} "${name}", but the pipeline has none of that name. Add it under "${kind}s:", or remove the name.`,
        );
      }
    }
  }
  return new Map([...byBlock].map(([uuid, names]) => [uuid, [...names]]));
}
