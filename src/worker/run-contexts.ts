import type pg from 'pg';
import { blocksWithLoneFollower } from '../domain/lone-follower.ts';
import type { BlockDefinition, JsonObject, PipelineDefinition } from '../domain/pipeline.ts';
import type { Database } from '../store/database.ts';
import type { Definitions } from '../store/definitions.ts';
import { runContextOf } from '../store/run-context.ts';

/** What every block of one try of a run shares. */
export type RunContext = {
  readonly variables: JsonObject;
  /** Set when the run's trigger sets a zone. */
  readonly timezone: string | null;
};

/** Remembers what claims refer to, so that a chain of blocks asks the database once. Both are immutable: a version, and a try of a run. */
export class RunContexts {
  readonly #pool: pg.Pool;
  readonly #runs = new Recent<Promise<RunContext>>(500);
  readonly #definitions: Definitions;

  constructor(database: Database) {
    this.#pool = database.pool;
    this.#definitions = database.definitions;
  }

  /** The variables and zone of a try of a run. Rejects when the run is gone. */
  run(runId: number, runAttempt: number): Promise<RunContext> {
    return this.#runs.get(`${runId}:${runAttempt}`, async () => {
      const context = await runContextOf(this.#pool, runId);
      if (!context) throw new Error(`run_${runId} is gone`);
      return { variables: { ...context.variables, pipeline_run_id: runId }, timezone: context.timezone };
    });
  }

  /** The block of a version; null when the version doesn't have it. */
  async block(pipelineUuid: string, version: string, blockUuid: string): Promise<PlacedBlock | null> {
    const found = await this.#definitions.load(pipelineUuid, version);
    return found === null ? null : (blocksOf(found.definition).get(blockUuid) ?? null);
  }

  /** The conditionals of a block of a claim's version, in the order in which they are attached. */
  async conditionals(
    { pipeline, version }: { readonly pipeline: string; readonly version: string },
    block: BlockDefinition,
  ): Promise<readonly BlockDefinition[]> {
    if (block.conditionals.length === 0) return [];
    const found = await this.#definitions.load(pipeline, version);
    return block.conditionals.flatMap(
      (uuid) => found?.definition.conditionals.find((each) => each.uuid === uuid) ?? [],
    );
  }

  /** The callback of a claim; null when its version doesn't have it. */
  async callback({
    pipeline,
    version,
    uuid,
  }: {
    readonly pipeline: string;
    readonly version: string;
    readonly uuid: string;
  }): Promise<BlockDefinition | null> {
    const found = await this.#definitions.load(pipeline, version);
    return found?.definition.callbacks.find((each) => each.uuid === uuid) ?? null;
  }
}

/** A block, and whether exactly one other goes on when it completes (domain/lone-follower.ts). */
export type PlacedBlock = { readonly block: BlockDefinition; readonly hasLoneFollower: boolean };

const indexes = new WeakMap<PipelineDefinition, ReadonlyMap<string, PlacedBlock>>();

/** The blocks of a definition by uuid; indexed once, because a run of 5,000 blocks looks 5,000 times. */
function blocksOf(definition: PipelineDefinition): ReadonlyMap<string, PlacedBlock> {
  const known = indexes.get(definition);
  if (known) return known;
  const leading = blocksWithLoneFollower(definition);
  const index = new Map(
    definition.blocks.map((block) => [block.uuid, { block, hasLoneFollower: leading.has(block.uuid) }]),
  );
  indexes.set(definition, index);
  return index;
}

/** The most recently used values; a rejected one is forgotten. */
class Recent<T extends Promise<unknown>> {
  readonly #values = new Map<string, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: string, load: () => T): T {
    const known = this.#values.get(key);
    const value = known ?? load();
    this.#values.delete(key);
    this.#values.set(key, value);
    if (!known) {
      value.catch(() => this.#values.delete(key));
      const oldest = this.#values.size > this.#most ? this.#values.keys().next().value : undefined;
      if (oldest !== undefined) this.#values.delete(oldest);
    }
    return value;
  }
}
