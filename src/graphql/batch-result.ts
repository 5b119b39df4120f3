import type { BatchItemResult } from '../store/list-batches.ts';
import { builder, forViewers } from './builder.ts';
import { formatId } from './ids.ts';
import { PipelineRunRef } from './pipeline-run.ts';
import { UserErrorRef } from './refusals.ts';
import { RetryPlanRef } from './retry-plan.ts';

export const BatchResultRef = builder.objectRef<BatchItemResult>('BatchResult').implement({
  description:
    'What happened to one run: `pipelineRun` is its state afterwards (the new run for RetryMode ALL), `error` why it was refused.',
  authScopes: forViewers,
  fields: (t) => ({
    pipelineRunId: t.id({
      description: 'The id that was given.',
      resolve: ({ givenId, runId }) => givenId ?? formatId('run', runId),
    }),
    pipelineRun: t.field({
      type: PipelineRunRef,
      nullable: true,
      description: 'The run as it is now; null when there is none of that id, or not any more.',
      resolve: ({ resultRunId }, _args, { loaders }) =>
        resultRunId === null ? null : loaders.pipelineRun.load(resultRunId),
    }),
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description: 'Why it was refused, or would be; null when it was done.',
      resolve: ({ refusal }) => refusal,
    }),
    retryPlan: t.field({
      type: RetryPlanRef,
      nullable: true,
      description: 'Of a previewed retry: what it would do.',
      resolve: ({ plan }) => plan,
    }),
  }),
});
