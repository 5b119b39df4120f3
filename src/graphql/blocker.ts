import { type Blocker, type BlockerCode, type BlockerScope, blockerCodes, blockerScopes } from '../domain/blockers.ts';
import { isTerminalBlock, isTerminalRun } from '../domain/lifecycle.ts';
import { BlockRunRef } from './block-run.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { PipelineRunRef } from './pipeline-run.ts';

/** Why runs and block runs wait. */

/** Of what stands in the way, at most this many are shown. */
const mostHolders = 20;

const BlockerCodeRef = builder.enumType('BlockerCode', {
  description: 'What something waits for. More may be added.',
  values: enumValues(
    blockerCodes.map((code) => code.toLowerCase() as Lowercase<BlockerCode>),
    {
      stopping: 'It is on its way to its end, and something of it still has to stop.',
      scheduler_down: 'No scheduler is at work, and only a scheduler moves it on.',
      limit_is_zero: 'A limit is 0: nothing starts until it is raised.',
      concurrency_limit: 'As many run as a limit allows.',
      previous_run: 'An earlier run of its trigger has not ended.',
      callback_running: 'Its blocks have ended, and a callback has not.',
      worker_unavailable: 'No worker that may take it is alive.',
      workers_busy: 'Every slot of the workers that may take it is taken.',
      child_run: 'It waits for a run that it started.',
      retry_backoff: 'Its last attempt failed, and the next is not due yet.',
      sensor_waiting: 'A sensor said no, and is asked again later.',
      upstream_pending: 'Blocks whose output it is given have not ended.',
    } satisfies Record<Lowercase<BlockerCode>, string>,
  ),
});

const BlockerScopeRef = builder.enumType('BlockerScope', {
  description: 'Where the reason lies.',
  values: enumValues(blockerScopes, {
    run: 'In the run itself.',
    trigger: 'In its trigger.',
    pipeline: 'In its pipeline.',
    backfill: 'In its backfill.',
    project: 'In the whole installation.',
    label: 'With the workers of a label.',
  } satisfies Record<BlockerScope, string>),
});

const BlockerRef = builder.objectRef<Blocker>('Blocker').implement({
  description: 'One reason for waiting, with the facts that a person needs to remove it.',
  authScopes: forViewers,
  fields: (t) => ({
    code: t.field({
      type: BlockerCodeRef,
      description: 'For programs.',
      resolve: ({ code }) => code.toLowerCase() as Lowercase<BlockerCode>,
    }),
    scope: t.expose('scope', { type: BlockerScopeRef, description: 'Where the reason lies.' }),
    message: t.exposeString('message', { description: 'For people: what it waits for, and what to do about it.' }),
    since: t.expose('since', { type: 'DateTime', description: 'Since when it waits for this.' }),
    until: t.expose('until', {
      type: 'DateTime',
      nullable: true,
      description: 'When the reason goes by itself; null when nobody can say.',
    }),
    limit: t.exposeInt('limit', { nullable: true, description: 'What the limit allows, where it is one.' }),
    inUse: t.exposeInt('inUse', { nullable: true, description: 'How many count against the limit.' }),
    holders: t.field({
      type: [PipelineRunRef],
      nullable: true,
      description: `Runs that stand in the way, at most ${mostHolders}; null when the reason is of another kind.`,
      extensions: { typicalItems: mostHolders },
      resolve: ({ holders }, _args, { loaders }) => rowsOf(holders, (id) => loaders.pipelineRun.load(id)),
    }),
    holderBlockRuns: t.field({
      type: [BlockRunRef],
      nullable: true,
      description: `Block runs that stand in the way, at most ${mostHolders}; null when the reason is of another kind.`,
      extensions: { typicalItems: mostHolders },
      resolve: ({ holderBlockRuns }, _args, { loaders }) => rowsOf(holderBlockRuns, (id) => loaders.blockRun.load(id)),
    }),
  }),
});

const cost = { cost: 1, typicalItems: 2 };

builder.prismaObjectField(PipelineRunRef, 'blockers', (t) =>
  t.field({
    type: [BlockerRef],
    description:
      'Why it is not further, the binding reason first; empty for a run that has ended, and while something of it moves.',
    extensions: cost,
    resolve: (run, _args, { loaders }) => (isTerminalRun(run.status) ? [] : loaders.blockersOfPipelineRun.load(run.id)),
  }),
);

builder.prismaObjectField(BlockRunRef, 'blockers', (t) =>
  t.field({
    type: [BlockerRef],
    description: 'Why it is not further, the binding reason first; empty when it has ended, and while it moves.',
    extensions: cost,
    resolve: (block, _args, { loaders }) =>
      isTerminalBlock(block.status) ? [] : loaders.blockersOfBlockRun.load(block.id),
  }),
);

/** The rows of what stands in the way; null when nothing does. */
async function rowsOf<Row>(ids: readonly bigint[], load: (id: bigint) => Promise<Row | null>): Promise<Row[] | null> {
  if (ids.length === 0) return null;
  const rows = await Promise.all(ids.slice(0, mostHolders).map(load));
  return rows.filter((row) => row !== null);
}
