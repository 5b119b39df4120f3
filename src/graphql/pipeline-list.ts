import type { Pipeline } from '../generated/prisma/client.ts';
import { countPipelines, listPipelines, type PipelineCriteria, type PipelineSort } from '../store/list-pipelines.ts';
import { builder, forViewers } from './builder.ts';
import { type CountedConnection, connectionType, pageArguments } from './connections.ts';
import { checkedList, given, OrderDirection, StringFilter, textCriteria } from './filters.ts';
import { cappedCount, readPage, standardPage } from './paging.ts';
import { PipelineRef, PipelineTypeRef } from './pipeline.ts';
import { PipelineRunStatusRef } from './status.ts';

const PipelineFilter = builder.inputType('PipelineFilter', {
  description: 'Which pipelines; everything given must hold.',
  fields: (t) => ({
    uuid: t.field({ type: StringFilter, description: "The folder's name in the project." }),
    tag: t.field({ type: StringFilter, description: 'One of its tags.' }),
    type: t.field({ type: [PipelineTypeRef], description: 'One of these types.' }),
    search: t.string({ description: 'Text in the uuid, the name or the description, in upper or lower case.' }),
    lastRunStatus: t.field({
      type: [PipelineRunStatusRef],
      description: 'Where its newest run stands, skipped ones left out: one of these.',
    }),
  }),
});

const PipelineOrderField = builder.enumType('PipelineOrderField', {
  description: 'What a list of pipelines is ordered by.',
  values: {
    UUID: { value: 'uuid', description: "The folder's name." },
    NAME: { value: 'name', description: 'The name for people.' },
    LAST_RUN_AT: { value: 'lastRunAt', description: 'When its newest run was made, skipped ones left out.' },
  } as const,
});

const PipelineOrder = builder.inputType('PipelineOrder', {
  description: 'The order of a list of pipelines; equal ones are ordered by uuid. UUID ASC unless given.',
  fields: (t) => ({
    field: t.field({ type: PipelineOrderField, required: true, description: 'By what.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'Which end comes first.' }),
  }),
});

const PipelineConnectionRef = connectionType<Pipeline, CountedConnection<Pipeline>>(
  'Pipeline',
  'pipelines',
  PipelineRef,
);
builder.objectField(PipelineConnectionRef, 'totalCount', (t) =>
  t.int({
    description: 'How many pipelines the whole list has.',
    resolve: async (page) => (await page.count()).totalCount,
  }),
);

const byUuid: PipelineSort = { field: 'uuid', direction: 'asc' };

builder.queryField('pipelines', (t) =>
  t.field({
    type: PipelineConnectionRef,
    description: 'The pipelines of the project, by uuid unless ordered otherwise.',
    authScopes: forViewers,
    args: {
      filter: t.arg({ type: PipelineFilter, description: 'Which of them; all unless given.' }),
      orderBy: t.arg({ type: PipelineOrder, description: 'UUID ASC unless given.' }),
      ...pageArguments(),
    },
    resolve: async (_root, { filter, orderBy, ...page }, { database }) => {
      const criteria = pipelineCriteria(filter);
      const sort = orderBy ?? byUuid;
      const connection = await readPage<string, Pipeline>(
        {
          identity: ['pipelines', criteria, sort],
          sortKind: sort.field === 'lastRunAt' ? 'instant' : 'text',
          idKind: 'text',
          size: standardPage,
          positions: (window) => listPipelines(database, criteria, sort, window),
          load: (uuids) => database.prisma.pipeline.findMany({ where: { uuid: { in: [...uuids] } } }),
          idOf: (pipeline) => pipeline.uuid,
        },
        page,
      );
      return { ...connection, count: cappedCount(() => countPipelines(database, criteria)) };
    },
  }),
);

function pipelineCriteria(filter: typeof PipelineFilter.$inferInput | null | undefined): PipelineCriteria {
  if (!filter) return {};
  const { uuid, tag, type, search, lastRunStatus } = filter;
  return given<PipelineCriteria>({
    uuid: uuid && textCriteria('uuid', uuid),
    tag: tag && textCriteria('tag', tag),
    type: type && checkedList('type', type),
    search,
    lastRunStatus: lastRunStatus && checkedList('lastRunStatus', lastRunStatus),
  });
}
