import type { ReadPipeline } from './project.ts';
import { type PipelineSetting, readPipeline } from './read-pipeline.ts';
import type { FileCache, TextFile } from './text-files.ts';

type Remembered = {
  readonly pipeline: ReadPipeline;
  /** Every file that was looked for, found or not. */
  readonly files: ReadonlyMap<string, TextFile>;
  /** What else it was read with. */
  readonly env: PipelineSetting['env'];
  readonly retryConfig: string;
};

/** Kept between readings of one project, it makes reading an unchanged pipeline a matter of looking at its files' times. */
export type ProjectCache = { readonly files: FileCache; readonly pipelines: Map<string, Remembered> };

export function createProjectCache(): ProjectCache {
  return { files: new Map(), pipelines: new Map() };
}

/** As readPipeline; a pipeline none of whose files changed is the same object as before. */
export async function readPipelineAgain(
  uuid: string,
  setting: PipelineSetting,
  cache: ProjectCache,
): Promise<ReadPipeline> {
  const retryConfig = JSON.stringify(setting.retryConfig);
  const before = cache.pipelines.get(uuid);
  if (before && before.env === setting.env && before.retryConfig === retryConfig) {
    const now = await Promise.all([...before.files.keys()].map((path) => setting.files.read(path)));
    const then = [...before.files.values()];
    if (now.every((file, index) => file === then[index])) return before.pipeline;
  }
  const files = new Map<string, TextFile>();
  const recording = {
    ...setting.files,
    async read(path: string) {
      const file = await setting.files.read(path);
      files.set(path, file);
      return file;
    },
  };
  const pipeline = await readPipeline(uuid, { ...setting, files: recording });
  cache.pipelines.set(uuid, { pipeline, files, env: setting.env, retryConfig });
  return pipeline;
}

/** Drops pipelines that are gone. */
export function forgetOthers(cache: ProjectCache, uuids: readonly string[]): void {
  const present = new Set(uuids);
  for (const uuid of cache.pipelines.keys()) if (!present.has(uuid)) cache.pipelines.delete(uuid);
}
