import type { DefinitionProblem } from '../domain/pipeline.ts';
import { countQueuedBlockRuns, listWorkers, type WorkerState } from '../store/server-state.ts';
import { builder, forViewers } from './builder.ts';
import type { ServerFacts } from './context.ts';
import { DefinitionProblemRef } from './definition-problem.ts';
import { enumValues } from './enums.ts';
import { formatId } from './ids.ts';

const DatabaseKind = builder.enumType('DatabaseKind', {
  description: 'Where the server keeps its data.',
  values: enumValues(['embedded', 'external'], {
    embedded: 'In a Postgres that it starts itself, in its data directory.',
    external: 'In a Postgres that it was given the address of.',
  }),
});

const WorkerRef = builder.objectRef<WorkerState>('Worker').implement({
  description: 'A process that runs blocks.',
  authScopes: forViewers,
  fields: (t) => ({
    id: t.id({ description: 'For instance `wrk_3`; new at each start.', resolve: ({ id }) => formatId('wrk', id) }),
    host: t.exposeString('host', { description: 'The machine.' }),
    labels: t.stringList({ description: 'Which blocks it takes.', resolve: ({ labels }) => [...labels] }),
    slots: t.exposeInt('slots', { description: 'How many block runs it can run at the same time.' }),
    busy: t.exposeInt('busy', { description: 'How many it runs.' }),
    lastSeenAt: t.expose('lastSeenAt', { type: 'DateTime', description: 'When it last showed that it lives.' }),
  }),
});

const ServerRef = builder.objectRef<ServerFacts>('Server').implement({
  description: 'The server and how it is.',
  authScopes: forViewers,
  fields: (t) => ({
    version: t.exposeString('version', { description: "Penstock's version." }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When this process started.' }),
    database: t.expose('database', { type: DatabaseKind, description: 'Where it keeps its data.' }),
    projectName: t.exposeString('projectName', { description: 'The project that it runs.' }),
    workers: t.field({
      type: [WorkerRef],
      description: 'The workers that are there, on all machines.',
      resolve: async (_facts, _args, { database }) => [...(await listWorkers(database))],
    }),
    schedulerAlive: t.boolean({
      description: 'Whether a scheduler is at work; without one no run starts.',
      resolve: (facts) => facts.schedulerAlive(),
    }),
    queuedBlockRuns: t.int({
      description: 'How many block runs wait for a worker or for their next retry.',
      resolve: (_facts, _args, { database }) => countQueuedBlockRuns(database),
    }),
    eventLagMs: t.float({
      description:
        'By how much this process is behind the event log that feeds its subscriptions; 0 when it has caught up.',
      resolve: (_facts, _args, { feed }) => feed.lagMs(),
    }),
    problems: t.field({
      type: [DefinitionProblemRef],
      description: 'What is wrong in the files of the project, its pipelines included.',
      resolve: async (facts, _args, { database }) => {
        const pipelines = await database.prisma.pipeline.findMany({
          where: { removedAt: null, NOT: { problems: { equals: [] } } },
          select: { problems: true },
          orderBy: { uuid: 'asc' },
        });
        return [
          ...facts.problems(),
          ...pipelines.flatMap(({ problems }) => problems as unknown as DefinitionProblem[]),
        ];
      },
    }),
  }),
});

builder.queryField('server', (t) =>
  t.field({
    type: ServerRef,
    description: 'The server and how it is.',
    authScopes: forViewers,
    resolve: (_root, _args, { server }) => server,
  }),
);
