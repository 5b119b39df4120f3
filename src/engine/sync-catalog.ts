import type { DefinitionProblem } from '../domain/pipeline.ts';
import type { TriggerDefinition } from '../domain/trigger.ts';
import { type CatalogEntry, savePipelines, saveTriggers } from '../store/catalog.ts';
import type { EngineContext } from './context.ts';

/** What a project folder says, as one unit: half of a folder is never kept. */
export type CatalogSnapshot = {
  readonly pipelines: readonly CatalogEntry[];
  readonly triggers: readonly {
    readonly definition: TriggerDefinition;
    readonly problems: readonly DefinitionProblem[];
  }[];
  /** Pipelines whose triggers file could be read: only such a file can remove a trigger. */
  readonly pipelinesWithReadableTriggers: readonly string[];
};

/** Keeps the catalogue as the project folder has it now, in one transaction. */
export async function syncCatalog(context: EngineContext, snapshot: CatalogSnapshot): Promise<void> {
  const now = context.now();
  await context.database.transaction(async (client) => {
    await savePipelines(client, snapshot.pipelines, now);
    await saveTriggers(client, snapshot.triggers, snapshot.pipelinesWithReadableTriggers, now);
  });
  context.wake('catalog');
}
