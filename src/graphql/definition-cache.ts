import type { PipelineDefinition } from '../domain/pipeline.ts';
import type { Database } from '../store/database.ts';
import { createLoader } from './loader.ts';

/** One version of a pipeline, as it stood when it was read from the project. */
export type DefinitionVersion = {
  readonly pipelineUuid: string;
  readonly version: string;
  readonly createdAt: Date;
  readonly definition: PipelineDefinition;
};

export type DefinitionCache = {
  /** The version, or null when there is none. */
  readonly load: (pipelineUuid: string, version: string) => Promise<DefinitionVersion | null>;
};

const kept = 200;

/** Versions never change, so a process keeps those used last and asks the database for each about once. */
export function createDefinitionCache(database: Database): DefinitionCache {
  const versions = new Map<string, DefinitionVersion>();

  const loader = createLoader(async (keys: readonly Key[]) => {
    const rows = await database.prisma.pipelineVersion.findMany({
      where: { OR: keys.map(({ pipelineUuid, version }) => ({ pipelineUuid, version })) },
    });
    const found = new Map(
      rows.map((row) => [keyOf(row), { ...row, definition: row.definition as unknown as PipelineDefinition }]),
    );
    return keys.map((key) => found.get(keyOf(key)) ?? null);
  });

  return {
    load: async (pipelineUuid, version) => {
      const key = keyOf({ pipelineUuid, version });
      const known = versions.get(key);
      const value = known ?? (await loader.load({ pipelineUuid, version }));
      if (value) remember(versions, key, value);
      return value;
    },
  };
}

type Key = { readonly pipelineUuid: string; readonly version: string };

function keyOf({ pipelineUuid, version }: Key): string {
  return `${pipelineUuid}\n${version}`;
}

/** A Map keeps the order of insertion: the first key is the one used longest ago. */
function remember(versions: Map<string, DefinitionVersion>, key: string, value: DefinitionVersion): void {
  versions.delete(key);
  versions.set(key, value);
  const oldest = versions.keys().next().value;
  if (versions.size > kept && oldest !== undefined) versions.delete(oldest);
}
