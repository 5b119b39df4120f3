import { isTerminalRun, type RunError } from '../domain/lifecycle.ts';
import type { JsonObject } from '../domain/pipeline.ts';
import { maskVariables } from '../domain/variables.ts';
import { BlockRunCountsRef } from './block-run-counts.ts';
import { builder, forViewers } from './builder.ts';
import { PipelineVersionRef } from './definition.ts';
import { enumValues } from './enums.ts';
import { formatId, parseId } from './ids.ts';
import { NodeRef } from './node.ts';
import { PipelineRunAttemptRef } from './pipeline-run-attempt.ts';
import { ResourceUsageRef, resourceUsage } from './resource-usage.ts';
import { millisecondsBetween, PipelineRunStatusRef, RunErrorRef, StatusReasonRef, statusReason } from './status.ts';

/** A run's own fields. Its lists (block runs, logs, events) are added by the files of those nouns. */

export const runCauses = ['schedule', 'manual', 'api', 'webhook', 'event', 'backfill', 'parent', 'retry'] as const;

export const RunCauseRef = builder.enumType('RunCause', {
  description: 'Who or what caused a run to exist.',
  values: enumValues(runCauses, {
    schedule: 'A tick of its trigger.',
    manual: 'A person.',
    api: 'A program with a token.',
    webhook: "A call of its trigger's address.",
    event: 'An event that its trigger listens to.',
    backfill: 'A backfill.',
    parent: 'A block of another run.',
    retry: 'A retry of a whole run.',
  }),
});

export const PipelineRunRef = builder.prismaObject('PipelineRun', {
  description: 'One execution of a pipeline, from its creation to its end, with every retry in place.',
  interfaces: [NodeRef],
  authScopes: forViewers,
  fields: (t) => ({
    id: t.id({ description: 'For instance `run_1042`.', resolve: (run) => formatId('run', run.id) }),
    pipelineUuid: t.exposeString('pipelineUuid', { description: 'The pipeline that it is a run of.' }),
    definition: t.field({
      type: PipelineVersionRef,
      description: 'The configuration and code that the run was made from.',
      resolve: async (run, _args, { database }) => {
        const version = await database.definitions.load(run.pipelineUuid, run.pipelineVersion);
        if (version === null) throw new Error(`Run ${run.id} points at a version that is not there.`);
        return version;
      },
    }),
    status: t.expose('status', { type: PipelineRunStatusRef, description: 'Where it stands.' }),
    endingStatus: t.expose('endingStatus', {
      type: PipelineRunStatusRef,
      nullable: true,
      description: 'Set while it is stopping: the end that it will come to.',
    }),
    isTerminal: t.boolean({
      description: 'Whether it has ended; only a retry in place moves it then.',
      resolve: (run) => isTerminalRun(run.status),
    }),
    statusReason: t.field({
      type: StatusReasonRef,
      nullable: true,
      description: 'Why it stands there; set for every end.',
      resolve: (run) => statusReason(run),
    }),
    cause: t.expose('cause', { type: RunCauseRef, description: 'Who or what caused it.' }),
    createdBy: t.exposeString('createdBy', { nullable: true, description: 'The person or token that started it.' }),
    triggerId: t.id({
      nullable: true,
      description: 'The trigger that it ran under; it stays when the trigger is deleted.',
      resolve: (run) => (run.triggerId === null ? null : formatId('trg', run.triggerId)),
    }),
    triggerName: t.exposeString('triggerName', {
      nullable: true,
      description: "The trigger's name when the run was made; it stays when the trigger is deleted.",
    }),
    executionDate: t.expose('executionDate', {
      type: 'DateTime',
      description: 'The logical date: the start of the period that a scheduled run is for.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its present attempt began; null while it waits.',
    }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Set for every terminal status.',
    }),
    durationMs: t.float({
      nullable: true,
      description: 'completedAt − startedAt; null until the end, and for a run that never started.',
      resolve: (run) => millisecondsBetween(run.startedAt, run.completedAt),
    }),
    queuedMs: t.float({
      nullable: true,
      description: 'startedAt − createdAt of the present attempt; null while it waits.',
      resolve: (run) => millisecondsBetween(run.attemptCreatedAt, run.startedAt),
    }),
    cancelRequestedAt: t.expose('cancelRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When somebody asked to cancel the present attempt.',
    }),
    variables: t.field({
      type: 'JSONObject',
      description: 'The variables that the blocks receive, after every override. Values of secrets are masked.',
      // A run is numbered when it is stored: its number joins the others on their way out, to the blocks and here.
      resolve: (run) => ({ ...maskVariables(run.variables as JsonObject), pipeline_run_id: Number(run.id) }),
    }),
    eventVariables: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What came with the event or webhook that caused it. Values of secrets are masked.',
      resolve: (run) => (run.eventVariables === null ? null : maskVariables(run.eventVariables as JsonObject)),
    }),
    blockRunCounts: t.field({
      type: BlockRunCountsRef,
      description: 'How many of its block runs stand in each status.',
      resolve: (run) => run,
    }),
    error: t.field({
      type: RunErrorRef,
      nullable: true,
      description: 'The first error that failed the run.',
      resolve: (run) => run.error as RunError | null,
    }),
    slaSeconds: t.exposeFloat('slaSeconds', {
      nullable: true,
      description: 'How long it may take before somebody is told.',
    }),
    slaDeadline: t.expose('slaDeadline', { type: 'DateTime', nullable: true, description: 'When that will be.' }),
    passedSla: t.exposeBoolean('passedSla', { description: 'Whether it took longer. Never goes back to false.' }),
    timeoutSeconds: t.exposeFloat('timeoutSeconds', {
      nullable: true,
      description: 'How long an attempt may take, from its start; null for no limit.',
    }),
    timedOut: t.exposeBoolean('timedOut', { description: 'Whether it took longer.' }),
    retryOf: t.relation('retryOf', { nullable: true, description: 'The run that this one repeats.' }),
    retries: t.relation('retries', {
      description: 'The runs that repeat this one, oldest first.',
      query: { orderBy: { id: 'asc' } },
    }),
    attempt: t.exposeInt('attempt', {
      description: '1 for the first try in place; each retry of incomplete blocks or from a block adds one.',
    }),
    attempts: t.relation('attempts', {
      type: PipelineRunAttemptRef,
      description: 'Every try in place, oldest first, each with its own end, reason and times.',
      query: { orderBy: { number: 'asc' } },
    }),
    resourceUsage: t.field({
      type: ResourceUsageRef,
      nullable: true,
      description: 'What its block runs used; null until the run has ended.',
      resolve: async (run, _args, { loaders }) => {
        const usage = await loaders.usageOfPipelineRun.load(run.id);
        return resourceUsage(usage, millisecondsBetween(run.startedAt, run.completedAt));
      },
    }),
  }),
});

builder.prismaObjectField(PipelineRunRef, 'rootRun', (t) =>
  t.field({
    type: PipelineRunRef,
    description: 'The first of the chain of retries; the run itself when it repeats none.',
    resolve: async (run, _args, { loaders }) =>
      (run.rootRunId === null ? null : await loaders.pipelineRun.load(run.rootRunId)) ?? run,
  }),
);

builder.queryField('pipelineRun', (t) =>
  t.field({
    type: PipelineRunRef,
    nullable: true,
    description: 'A run by its id; null when there is none.',
    authScopes: forViewers,
    args: { id: t.arg.id({ required: true, description: 'For instance `run_1042`.' }) },
    resolve: (_root, { id }, { loaders }) => {
      const runId = parseId('run', id);
      return runId === null ? null : loaders.pipelineRun.load(runId);
    },
  }),
);
