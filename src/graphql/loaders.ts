import type { BatchOperation, BlockAttempt, BlockRun, Pipeline, PipelineRun } from '../generated/prisma/client.ts';
import type { Database } from '../store/database.ts';
import { listAttempts } from '../store/list-attempts.ts';
import { type AttemptsUsage, listAttemptsUsage } from '../store/list-attempts-usage.ts';
import { listLastRunIds } from '../store/list-pipelines.ts';
import { createBlockRunPageLoader } from './block-run-pages.ts';
import { createBlockerLoaders } from './blocker-loaders.ts';
import { createGroupLoader, createRowLoader } from './loader.ts';

/** The rows that fields ask for one by one, fetched together. */
export type Loaders = ReturnType<typeof createLoaders>;

/** Of a pipeline run: what all its attempts used, and the log lines of theirs that were not kept. */

export function createLoaders(database: Database) {
  const { prisma } = database;

  const pipelineRun = createRowLoader(
    (run: PipelineRun) => run.id,
    (ids) => prisma.pipelineRun.findMany({ where: { id: { in: ids } } }),
  );

  const blockRun = createRowLoader(
    (block: BlockRun) => block.id,
    (ids) => prisma.blockRun.findMany({ where: { id: { in: ids } } }),
  );

  const batchOperation = createRowLoader(
    (batch: BatchOperation) => batch.id,
    (ids) => prisma.batchOperation.findMany({ where: { id: { in: ids } } }),
  );

  const pipeline = createRowLoader(
    (row: Pipeline) => row.uuid,
    (uuids) => prisma.pipeline.findMany({ where: { uuid: { in: uuids }, removedAt: null } }),
  );

  /** Of a block run: its attempts, oldest first. */
  const attemptsOfBlockRun = createGroupLoader(
    (attempt: BlockAttempt) => attempt.blockRunId,
    (ids) => listAttempts(database, ids),
  );

  const usageOfPipelineRun = createRowLoader(
    (usage: AttemptsUsage) => usage.pipelineRunId,
    (ids) => listAttemptsUsage(database, ids),
  );

  /** Of a pipeline: the id of its newest run that was not skipped. */
  const lastRunId = createRowLoader(
    (last: { readonly pipelineUuid: string; readonly runId: bigint }) => last.pipelineUuid,
    (uuids) => listLastRunIds(database, uuids),
  );

  return {
    pipelineRun,
    blockRun,
    batchOperation,
    pipeline,
    attemptsOfBlockRun,
    usageOfPipelineRun,
    lastRunId,
    blockRunPage: createBlockRunPageLoader(database),
    ...createBlockerLoaders(database),
  };
}
