import type { Database } from '../store/database.ts';

const kept = 1_000;

/** The tags of runs, each asked for about once; of a run that is gone, none. */
export function createRunTags(database: Database): (pipelineRunId: bigint) => Promise<readonly string[]> {
  const known = new Map<bigint, readonly string[]>();
  return async (id) => {
    const remembered = known.get(id);
    if (remembered) return remembered;
    const run = await database.prisma.pipelineRun.findUnique({ where: { id }, select: { tags: true } });
    const tags = run?.tags ?? [];
    known.set(id, tags);
    const oldest = known.keys().next().value;
    if (known.size > kept && oldest !== undefined) known.delete(oldest);
    return tags;
  };
}
