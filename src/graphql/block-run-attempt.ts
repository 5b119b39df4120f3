import type { RunError } from '../domain/lifecycle.ts';
import type { BlockTestResult } from '../domain/outputs.ts';
import { builder, forViewers } from './builder.ts';
import { formatId } from './ids.ts';
import { BlockOutputRef, BlockTestRef, sampleCountArguments, sampleOutputs } from './output.ts';
import { ResourceUsageRef, resourceUsage } from './resource-usage.ts';
import { BlockRunStatusRef, millisecondsBetween, RunErrorRef, StatusReasonRef, statusReason } from './status.ts';

export const BlockRunAttemptRef = builder.prismaObject('BlockAttempt', {
  name: 'BlockRunAttempt',
  description:
    'One try at a block: who ran it, how it went, and what it left behind. It is never changed after its end.',
  authScopes: forViewers,
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1 for the first of its block run; it grows for ever.' }),
    runAttempt: t.exposeInt('runAttempt', { description: 'The attempt of the run that it belongs to.' }),
    status: t.expose('status', { type: BlockRunStatusRef, description: 'Where it stands, or how it ended.' }),
    statusReason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why.',
      resolve: (attempt) => statusReason(attempt),
    }),
    worker: t.string({
      nullable: true,
      description: 'The id of the worker that ran it; null while a sensor waits between two calls.',
      resolve: ({ workerId }) => (workerId === null ? null : formatId('wrk', workerId)),
    }),
    pid: t.exposeInt('pid', { nullable: true, description: "The process that ran it, on the worker's machine." }),
    queuedAt: t.expose('queuedAt', { type: 'DateTime', nullable: true, description: 'When it became ready to run.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When it began.' }),
    completedAt: t.expose('completedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    durationMs: t.float({
      nullable: true,
      description: 'completedAt − startedAt; null until its end.',
      resolve: (attempt) => millisecondsBetween(attempt.startedAt, attempt.completedAt),
    }),
    retryAt: t.expose('retryAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the next attempt is due, where this one is to be retried.',
    }),
    calls: t.exposeInt('calls', { nullable: true, description: 'Of a sensor: how often its function was asked.' }),
    error: t.field({
      type: RunErrorRef,
      nullable: true,
      description: 'What went wrong.',
      resolve: (attempt) => attempt.error as RunError | null,
    }),
    resourceUsage: t.field({
      type: ResourceUsageRef,
      nullable: true,
      description: 'What it used; null until its end.',
      resolve: (attempt) => resourceUsage(attempt, millisecondsBetween(attempt.startedAt, attempt.completedAt)),
    }),
    outputs: t.field({
      type: [BlockOutputRef],
      nullable: true,
      description: "Its outputs, output_0 first; null with an error when the store can't be reached.",
      args: sampleCountArguments,
      extensions: { cost: 5 },
      resolve: (attempt, { sampleCount }, context) => sampleOutputs(context, attempt.outputs, sampleCount),
    }),
    tests: t.field({
      type: [BlockTestRef],
      description: 'The tests of its output.',
      resolve: (attempt) => (attempt.tests ?? []) as unknown as BlockTestResult[],
    }),
  }),
});
