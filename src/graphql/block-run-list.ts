import type { BlockRun, PipelineRun } from '../generated/prisma/client.ts';
import { type BlockRunCriteria, type BlockRunPlace, countBlockRuns, listBlockRuns } from '../store/list-block-runs.ts';
import { BlockRunRef } from './block-run.ts';
import { builder, forViewers } from './builder.ts';
import { type CountedConnection, countedConnectionType, pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { type CursorKey, cursorCodec } from './cursors.ts';
import {
  checkedList,
  DateTimeFilter,
  given,
  IdFilter,
  idCriteria,
  instantCriteria,
  StringFilter,
  textCriteria,
} from './filters.ts';
import { cappedCount, type PageArguments, type PageSize, readPage, readPageArguments, standardPage } from './paging.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { invalidCursor } from './request-errors.ts';
import { BlockRunStatusRef } from './status.ts';

/** Lists of block runs: those of one run in the order of its definition, those of all runs newest first. */

const BlockRunFilter = builder.inputType('BlockRunFilter', {
  description: 'Which block runs; everything given must hold.',
  fields: (t) => ({
    pipelineRunId: t.field({ type: IdFilter, description: 'The run that it belongs to.' }),
    pipelineUuid: t.field({ type: StringFilter, description: 'The pipeline of that run.' }),
    blockUuid: t.field({ type: StringFilter, description: 'The block that it runs.' }),
    status: t.field({ type: [BlockRunStatusRef], description: 'Where it stands: one of these.' }),
    createdAt: t.field({ type: DateTimeFilter, description: 'When it was made, with its run.' }),
  }),
});

const BlockRunConnectionRef = countedConnectionType('BlockRun', 'block runs', BlockRunRef);

builder.queryField('blockRuns', (t) =>
  t.field({
    type: BlockRunConnectionRef,
    description: 'The block runs of all runs, newest first.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: BlockRunFilter, description: 'Which of them; all unless given.' }),
      ...pageArguments(),
    },
    resolve: async (_root, { filter, ...page }, { database }) => {
      const criteria = blockRunCriteria(filter);
      const connection = await readPage<bigint, BlockRun>(
        {
          identity: ['blockRuns', criteria],
          sortKind: 'number',
          idKind: 'number',
          size: standardPage,
          positions: (window) => listBlockRuns(database, criteria, window),
          load: (ids) => database.prisma.blockRun.findMany({ where: { id: { in: [...ids] } } }),
          idOf: (block) => block.id,
        },
        page,
      );
      return { ...connection, count: cappedCount((atMost) => countBlockRuns(database, criteria, atMost)) };
    },
  }),
);

/** A run's blocks are few, and shown together: so more of them at once than of anything else. */
const pageOfOneRun: PageSize = { default: 1_000, max: 1_000 };

builder.prismaObjectField(PipelineRunRef, 'blockRuns', (t) =>
  t.field({
    type: BlockRunConnectionRef,
    description: 'Its block runs, in the order of the definition.',
    args: {
      filter: t.arg({ type: BlockRunFilter, description: 'Which of them; all unless given.' }),
      first: t.arg.int({ defaultValue: 1_000, description: 'How many: 1,000 unless given, at most 1,000.' }),
      after: t.arg.string({ description: 'What follows this cursor.' }),
    },
    resolve: (run, { filter, ...page }, context) => pageOfRun(context, run, blockRunCriteria(filter), page),
  }),
);

async function pageOfRun(
  { database, loaders }: GraphQLContext,
  run: PipelineRun,
  criteria: BlockRunCriteria,
  page: PageArguments,
): Promise<CountedConnection<BlockRun>> {
  const { size, cursor } = readPageArguments(page, pageOfOneRun);
  const codec = cursorCodec(['blockRunsOfRun', run.id, criteria]);
  const after = cursor === null ? null : readPlace(codec.decode(cursor));

  const read = await loaders.blockRunPage.load({ runId: run.id, criteria, after, limit: size + 1 });
  const isAll = Object.keys(criteria).length === 0;
  return {
    edges: read.slice(0, size).map((node) => ({
      cursor: codec.encode([node.position, node.dynamicIndex, node.id.toString()]),
      node,
    })),
    hasNextPage: async () => read.length > size,
    hasPreviousPage: async () => after !== null,
    count: isAll
      ? async () => ({ totalCount: run.blocksTotal, isExact: true })
      : cappedCount((atMost) => countBlockRuns(database, withinRun(criteria, run.id), atMost)),
  };
}

function readPlace([position, dynamicIndex, id]: readonly CursorKey[]): BlockRunPlace {
  if (typeof position !== 'number' || typeof dynamicIndex !== 'number' || !/^[0-9]{1,18}$/.test(`${id}`)) {
    throw invalidCursor('This cursor has been altered. Start again without one.');
  }
  return { position, dynamicIndex, id: BigInt(`${id}`) };
}

function withinRun(criteria: BlockRunCriteria, runId: bigint): BlockRunCriteria {
  const asked = criteria.pipelineRunIds?.in;
  const among = asked === undefined ? [runId] : asked.filter((id) => id === runId);
  return { ...criteria, pipelineRunIds: { ...criteria.pipelineRunIds, in: among } };
}

function blockRunCriteria(filter: typeof BlockRunFilter.$inferInput | null | undefined): BlockRunCriteria {
  if (!filter) return {};
  const { pipelineRunId, pipelineUuid, blockUuid, status, createdAt } = filter;
  return given<BlockRunCriteria>({
    pipelineRunIds: pipelineRunId && idCriteria('pipelineRunId', 'run', pipelineRunId),
    pipelineUuid: pipelineUuid && textCriteria('pipelineUuid', pipelineUuid),
    blockUuid: blockUuid && textCriteria('blockUuid', blockUuid),
    status: status && checkedList('status', status),
    createdAt: createdAt && instantCriteria(createdAt),
  });
}
