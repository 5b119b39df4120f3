import type { RetryPlan, RetryPlanItem } from '../domain/retry-plan.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { RetryModeRef } from './pipeline-run-attempt.ts';
import { UserErrorRef } from './refusals.ts';
import { BlockRunStatusRef } from './status.ts';

/** What a retry would do, without doing it. */

const reasons = {
  NOT_COMPLETED: 'It did not complete.',
  SELECTED: 'It is the block that the retry begins at.',
  DOWNSTREAM: 'It lies downstream of the block that the retry begins at.',
  UPSTREAM_INCOMPLETE: 'One that runs again needs it, and it never completed.',
  OUTPUT_GONE: 'One that runs again needs its output, which was pruned.',
  FRESH: 'It runs for the first time in the new run.',
  REUSED: 'It keeps its newest output.',
} as const satisfies Record<RetryPlanItem['reason'], string>;

const RetryPlanReasonRef = builder.enumType('RetryPlanReason', {
  description: 'Why a block run runs again in a retry, or does not.',
  values: enumValues(Object.keys(reasons) as (keyof typeof reasons)[], reasons),
});

const RetryPlanItemRef = builder.objectRef<RetryPlanItem>('RetryPlanItem').implement({
  description: 'One block run in a retry plan.',
  authScopes: forViewers,
  fields: (t) => ({
    blockUuid: t.exposeString('blockUuid', { description: 'The block.' }),
    status: t.field({ type: BlockRunStatusRef, description: 'How it stands now.', resolve: ({ status }) => status }),
    reason: t.field({ type: RetryPlanReasonRef, description: 'Why.', resolve: ({ reason }) => reason }),
  }),
});

export const RetryPlanRef = builder.objectRef<RetryPlan>('RetryPlan').implement({
  description: '`blockRuns` will run again, `reuses` keep their newest output.',
  authScopes: forViewers,
  fields: (t) => ({
    blockRuns: t.field({
      type: [RetryPlanItemRef],
      description: 'What runs again, in the order of the definition.',
      resolve: ({ blockRuns }) => blockRuns,
    }),
    reuses: t.field({
      type: [RetryPlanItemRef],
      description: 'What keeps its newest output.',
      resolve: ({ reuses }) => reuses,
    }),
    refused: t.field({
      type: UserErrorRef,
      nullable: true,
      description: 'Why the retry would be refused; null when it would be done.',
      resolve: ({ refused }) => refused,
    }),
    createsNewRun: t.exposeBoolean('createsNewRun', {
      description: 'Whether a new run is made; else the run itself goes on.',
    }),
    definitionChanged: t.exposeBoolean('definitionChanged', {
      description: "Whether the pipeline's definition or code is another than the run's last.",
    }),
  }),
});

builder.prismaObjectField(PipelineRunRef, 'retryPlan', (t) =>
  t.field({
    type: RetryPlanRef,
    description: 'What a retry would do, without doing it.',
    args: {
      mode: t.arg({ type: RetryModeRef, required: true, description: 'How it would be retried.' }),
      fromBlock: t.arg.string({ description: 'With FROM_BLOCK: the block that it begins at.' }),
    },
    // Three statements and a look into the output store, for each run.
    extensions: { cost: 10 },
    resolve: (run, { mode, fromBlock }, { engine }) =>
      engine.planOfRetry({ runId: run.id, mode, fromBlock: fromBlock ?? null }),
  }),
);
