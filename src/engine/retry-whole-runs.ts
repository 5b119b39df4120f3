import type pg from 'pg';
import { executableBlocks } from '../domain/pipeline.ts';
import { withoutMasks } from '../domain/variables.ts';
import { isRetriedAsWhole, type RunOutline } from '../domain/whole-run.ts';
import type { CurrentPipeline } from '../store/catalog.ts';
import { type RetriedRun, runsWithStoredFiles } from '../store/whole-runs.ts';
import type { EngineContext } from './context.ts';
import type { PipelineOf, RetryWay, RunToRetry } from './retry-pipeline-run.ts';

/**
 * Which of the runs are retried as wholes, each with the code that it runs from now on. The others are for whoever looks at each of their
 * block runs: what has to be refused, other variables, a block that is gone, and outputs that may have been removed.
 */
export async function retriedAsWholes(
  context: EngineContext,
  client: pg.ClientBase,
  inputs: readonly RunToRetry[],
  outlines: ReadonlyMap<bigint, RunOutline>,
  way: RetryWay,
  pipelineOf: PipelineOf,
): Promise<readonly RetriedRun[]> {
  if (way.mode !== 'incomplete' || Object.keys(withoutMasks(way.variables)).length > 0) return [];
  const versions = new Map<string, Promise<boolean>>();
  const isComplete = (pipeline: CurrentPipeline, version: string) => {
    const key = `${pipeline.uuid}\n${version}`;
    const known = versions.get(key) ?? hasEveryBlock(context, client, pipeline, version);
    versions.set(key, known);
    return known;
  };
  const found: RetriedRun[] = [];
  for (const { runId, expectedAttempt, plannedAttempt } of inputs) {
    const run = outlines.get(runId);
    if (!run || !isRetriedAsWhole(run) || run.attempt !== (expectedAttempt ?? plannedAttempt ?? run.attempt)) continue;
    const pipeline = await pipelineOf(run.pipelineUuid);
    if (!pipeline?.isRunnable || !(await isComplete(pipeline, run.version))) continue;
    found.push({ id: runId, codeVersion: pipeline.version });
  }
  const reusing = found.map(({ id }) => id).filter((id) => outlines.get(id)!.blocksCompleted > 0);
  const uncertain = await runsWithStoredFiles(client, reusing);
  return found.filter(({ id }) => !uncertain.has(id));
}

/** Whether the pipeline has every block, with code, that a run of the version was made with. */
async function hasEveryBlock(
  context: EngineContext,
  client: pg.ClientBase,
  pipeline: CurrentPipeline,
  version: string,
): Promise<boolean> {
  const made = await context.database.definitions.load(pipeline.uuid, version, client);
  if (!made) return false;
  const present = new Set(pipeline.definition.blocks.filter((b) => b.code !== null).map((b) => b.uuid));
  return executableBlocks(made.definition).every((block) => present.has(block.uuid));
}
