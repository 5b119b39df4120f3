import type pg from 'pg';
import type { BlockDefinition, JsonObject, PipelineDefinition } from '../domain/pipeline.ts';
import { pipelineVersion } from '../store/catalog.ts';
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
  readonly #blocks = new Recent<Promise<ReadonlyMap<string, BlockDefinition> | null>>(200);

  constructor(pool: pg.Pool) {
    this.#pool = pool;
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
  async block(pipelineUuid: string, version: string, blockUuid: string): Promise<BlockDefinition | null> {
    const blocks = await this.#blocks.get(`${pipelineUuid} ${version}`, async () => {
      const definition = await pipelineVersion(this.#pool, pipelineUuid, version);
      return definition && byUuid(definition);
    });
    return blocks?.get(blockUuid) ?? null;
  }
}

function byUuid(definition: PipelineDefinition): ReadonlyMap<string, BlockDefinition> {
  return new Map(definition.blocks.map((block) => [block.uuid, block]));
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
