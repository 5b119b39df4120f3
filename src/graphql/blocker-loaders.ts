import { type Blocker, blockersOfBlockRun, blockersOfRun } from '../domain/blockers.ts';
import { readBlockerFacts, readOpenBlockRuns } from '../store/blocker-facts.ts';
import type { Database } from '../store/database.ts';
import { createLoader } from './loader.ts';

/** Loads why runs and block runs wait: the facts of all that one level asks for are read together. */
export function createBlockerLoaders({ pool }: Database) {
  const ofPipelineRuns = async (ids: readonly bigint[]): Promise<(readonly Blocker[])[]> => {
    const { runs, world } = await readBlockerFacts(pool, ids, new Date());
    return ids.map((id) => {
      const run = runs.get(id);
      return run ? blockersOfRun(run, world) : [];
    });
  };

  const ofBlockRuns = async (ids: readonly bigint[]): Promise<(readonly Blocker[])[]> => {
    const blocks = new Map((await readOpenBlockRuns(pool, ids)).map((block) => [block.facts.id, block]));
    const runIds = [...new Set([...blocks.values()].map((block) => block.pipelineRunId))];
    const { runs, world } = await readBlockerFacts(pool, runIds, new Date());
    return ids.map((id) => {
      const block = blocks.get(id);
      const run = block && runs.get(block.pipelineRunId);
      return block && run ? blockersOfBlockRun(block.facts, block.pending, run, world) : [];
    });
  };

  return { blockersOfPipelineRun: createLoader(ofPipelineRuns), blockersOfBlockRun: createLoader(ofBlockRuns) };
}
