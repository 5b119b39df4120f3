import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import type { PipelineRun } from '../generated/prisma/client.ts';
import {
  countPipelineRuns,
  listPipelineRuns,
  type PipelineRunCriteria,
  type PipelineRunSort,
} from '../store/list-pipeline-runs.ts';
import { builder, forViewers } from './builder.ts';
import { type CountedConnection, countedConnectionType, pageArguments } from './connections.ts';
import type { GraphQLContext } from './context.ts';
import { OrderDirection } from './filters.ts';
import { cappedCount, type PageArguments, readPage, standardPage } from './paging.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { PipelineRunFilter, pipelineRunCriteria } from './pipeline-run-filter.ts';

/** Lists of pipeline runs: of the whole project here, of one pipeline in pipeline.ts. */

const PipelineRunOrderField = builder.enumType('PipelineRunOrderField', {
  description: 'What a list of pipeline runs is ordered by.',
  values: {
    CREATED_AT: { value: 'createdAt', description: 'When it was made.' },
    EXECUTION_DATE: { value: 'executionDate', description: 'The logical date.' },
    STARTED_AT: { value: 'startedAt', description: 'When its present attempt began.' },
    COMPLETED_AT: { value: 'completedAt', description: 'When it ended.' },
  } as const,
});

export const PipelineRunOrder = builder.inputType('PipelineRunOrder', {
  description: 'The order of a list of pipeline runs; equal ones are ordered by id. CREATED_AT DESC unless given.',
  fields: (t) => ({
    field: t.field({ type: PipelineRunOrderField, required: true, description: 'By what.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'Which end comes first.' }),
  }),
});

export const PipelineRunConnectionRef = countedConnectionType('PipelineRun', 'pipeline runs', PipelineRunRef);

const newestFirst: PipelineRunSort = { field: 'createdAt', direction: 'desc' };

/** One page of the runs that meet `criteria`. */
export async function pipelineRunPage(
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  criteria: PipelineRunCriteria,
  sort: PipelineRunSort | null | undefined,
  page: PageArguments,
): Promise<CountedConnection<PipelineRun>> {
  const { database } = context;
  const order = sort ?? newestFirst;
  const connection = await readPage<bigint, PipelineRun>(
    {
      identity: ['pipelineRuns', criteria, order],
      sortKind: 'instant',
      idKind: 'number',
      size: standardPage,
      positions: (window) => listPipelineRuns(database, criteria, order, window),
      load: (ids) =>
        database.prisma.pipelineRun.findMany({
          ...queryFromInfo({ context, info, include: {}, paths: [['nodes'], ['edges', 'node']] }),
          where: { id: { in: [...ids] } },
        }),
      idOf: (run) => run.id,
    },
    page,
  );
  return { ...connection, count: cappedCount((atMost) => countPipelineRuns(database, criteria, atMost)) };
}

builder.queryField('pipelineRuns', (t) =>
  t.field({
    type: PipelineRunConnectionRef,
    description: 'The runs of all pipelines, newest first unless ordered otherwise.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: PipelineRunFilter, description: 'Which of them; all unless given.' }),
      orderBy: t.arg({ type: PipelineRunOrder, description: 'CREATED_AT DESC unless given.' }),
      ...pageArguments(),
    },
    resolve: (_root, { filter, orderBy, ...page }, context, info) =>
      pipelineRunPage(context, info, pipelineRunCriteria(filter), orderBy, page),
  }),
);
