import type { BlockRun } from '../generated/prisma/client.ts';
import type { Database } from '../store/database.ts';
import { type BlockRunCriteria, type BlockRunPlace, listBlockRunsOfRuns } from '../store/list-block-runs.ts';
import { createLoader } from './loader.ts';

/** A page of one run's block runs, in definition order. */
export type BlockRunPageRequest = {
  readonly runId: bigint;
  readonly criteria: BlockRunCriteria;
  readonly after: BlockRunPlace | null;
  readonly limit: number;
};

/** Loads the same page of many runs with two statements: the places, then the rows. */
export function createBlockRunPageLoader(database: Database) {
  return createLoader(async (requests: readonly BlockRunPageRequest[]): Promise<readonly (readonly BlockRun[])[]> => {
    const pages = new Map<BlockRunPageRequest, readonly BlockRunPlace[]>();
    for (const group of alike(requests)) {
      const { criteria, after, limit } = group[0]!;
      const runIds = [...new Set(group.map((request) => request.runId))];
      const places = await listBlockRunsOfRuns(database, runIds, criteria, after, limit);
      for (const request of group) pages.set(request, places.get(request.runId) ?? []);
    }

    const ids = [...new Set([...pages.values()].flat().map((place) => place.id))];
    const found = ids.length === 0 ? [] : await database.prisma.blockRun.findMany({ where: { id: { in: ids } } });
    const rows = new Map(found.map((row) => [row.id, row]));
    return requests.map((request) => (pages.get(request) ?? []).flatMap((place) => rows.get(place.id) ?? []));
  });
}

/** Requests that differ only in their run can be answered by one statement. */
function alike(requests: readonly BlockRunPageRequest[]): readonly BlockRunPageRequest[][] {
  const shape = ({ criteria, after, limit }: BlockRunPageRequest) =>
    JSON.stringify([criteria, after, limit], (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  return [...Map.groupBy(requests, shape).values()];
}
