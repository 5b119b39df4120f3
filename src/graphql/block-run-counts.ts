import type { PipelineRun } from '../generated/prisma/client.ts';
import { builder, forViewers } from './builder.ts';

type Counts = Pick<
  PipelineRun,
  | 'blocksTotal'
  | 'blocksInitial'
  | 'blocksQueued'
  | 'blocksRunning'
  | 'blocksCompleted'
  | 'blocksFailed'
  | 'blocksCancelled'
  | 'blocksUpstreamFailed'
  | 'blocksConditionFailed'
>;

export const BlockRunCountsRef = builder.objectRef<Counts>('BlockRunCounts').implement({
  description: 'How many block runs stand in each status. Kept on the run: asking costs nothing.',
  authScopes: forViewers,
  fields: (t) => ({
    total: t.exposeInt('blocksTotal', { description: 'All of them.' }),
    initial: t.exposeInt('blocksInitial', { description: 'Waiting for upstream blocks.' }),
    queued: t.exposeInt('blocksQueued', { description: 'Ready, or waiting for an automatic retry.' }),
    running: t.exposeInt('blocksRunning', { description: 'Being run.' }),
    completed: t.exposeInt('blocksCompleted', { description: 'Ended well.' }),
    failed: t.exposeInt('blocksFailed', { description: 'Ended with an error.' }),
    cancelled: t.exposeInt('blocksCancelled', { description: 'Stopped before their end.' }),
    upstreamFailed: t.exposeInt('blocksUpstreamFailed', { description: 'Never ran: a block before them failed.' }),
    conditionFailed: t.exposeInt('blocksConditionFailed', { description: 'Never ran: a condition was false.' }),
  }),
});
