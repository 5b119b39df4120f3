import type { CatalogSnapshot } from '../engine/sync-catalog.ts';
import type { Project } from '../project/project.ts';

/** The catalogue that a project folder describes. */
export function snapshotOf(project: Project): CatalogSnapshot {
  return {
    pipelines: project.pipelines,
    triggers: project.pipelines.flatMap((pipeline) => pipeline.triggers),
    pipelinesWithReadableTriggers: project.pipelines
      .filter((pipeline) => pipeline.areTriggersReadable)
      .map((pipeline) => pipeline.uuid),
  };
}
