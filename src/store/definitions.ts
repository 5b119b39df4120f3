import type pg from 'pg';
import type { PipelineDefinition } from '../domain/pipeline.ts';

/** One version of a pipeline, as it stood when it was read from the project. */
export type DefinitionVersion = {
  readonly pipelineUuid: string;
  readonly version: string;
  readonly createdAt: Date;
  readonly definition: PipelineDefinition;
};

/** The versions of pipelines. They never change, so a process keeps those used last and asks the database for each about once. */
export type Definitions = {
  /** The version, or null when there is none. Inside of a transaction: with its client, so that it waits for no other connection. */
  readonly load: (
    pipelineUuid: string,
    version: string,
    client?: pg.ClientBase | pg.Pool,
  ) => Promise<DefinitionVersion | null>;
};

const kept = 200;

/** An empty memory of definitions on a database. */
export function createDefinitions(pool: pg.Pool): Definitions {
  /** A Map keeps the order of insertion: the first key is the one used longest ago. */
  const known = new Map<string, Promise<DefinitionVersion | null>>();

  return {
    load(pipelineUuid, version, client) {
      const key = `${pipelineUuid}\n${version}`;
      const before = known.get(key);
      const value = before ?? readVersion(client ?? pool, pipelineUuid, version);
      known.delete(key);
      known.set(key, value);
      if (before === undefined) {
        const forget = () => known.delete(key);
        value.then((found) => found === null && forget(), forget);
        const oldest = known.size > kept ? known.keys().next().value : undefined;
        if (oldest !== undefined) known.delete(oldest);
      }
      return value;
    },
  };
}

async function readVersion(
  client: pg.ClientBase | pg.Pool,
  pipelineUuid: string,
  version: string,
): Promise<DefinitionVersion | null> {
  const result = await client.query<DefinitionVersion>({
    name: 'definition-version',
    text: `select pipeline_uuid as "pipelineUuid", version, created_at as "createdAt", definition
             from pipeline_version where pipeline_uuid = $1 and version = $2`,
    values: [pipelineUuid, version],
  });
  return result.rows[0] ?? null;
}
