import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

/** A generated project with one pipeline, as a user would write it. */
export type BenchProject = {
  /** Writes it into an empty directory. */
  readonly write: (directory: string) => Promise<void>;
  readonly pipelineUuid: string;
  readonly blocks: number;
};

export type BlockLanguage = 'typescript' | 'python';

type BlockEntry = {
  readonly uuid: string;
  readonly type: 'custom';
  readonly language: BlockLanguage;
  readonly upstream_blocks: readonly string[];
  readonly crash_retries?: number;
  readonly configuration?: { readonly file_source: { readonly path: string } };
};

/** Slots that the server gets, and connections or workers that its peers get. */
const slots = 10;

/**
 * `blocks` blocks, each after the one before, each in a file of its own, that do nothing.
 * With `proof`, each appends a line to that file: for tests, which want to know that the user's code really ran.
 */
export function chainProject(language: BlockLanguage, blocks: number, proof?: string): BenchProject {
  const uuid = (step: number) => `step_${String(step).padStart(4, '0')}`;
  const steps = Array.from({ length: blocks }, (_, index) => index + 1);
  const extension = language === 'python' ? 'py' : 'ts';
  return project(
    `chain_${language}`,
    steps.map((step) => ({
      uuid: uuid(step),
      type: 'custom',
      language,
      upstream_blocks: step === 1 ? [] : [uuid(step - 1)],
    })),
    steps.map((step) => [`custom/${uuid(step)}.${extension}`, source(language, proof)]),
  );
}

/** `blocks` TypeScript blocks that wait for nothing and do nothing, all from one file. `proof` as in `chainProject`. */
export function fanProject(blocks: number, proof?: string): BenchProject {
  const path = 'custom/item.ts';
  const entries = Array.from({ length: blocks }, (_, index) => ({
    uuid: `item_${String(index + 1).padStart(5, '0')}`,
    type: 'custom' as const,
    language: 'typescript' as const,
    upstream_blocks: [],
    configuration: { file_source: { path } },
  }));
  return project('fan', entries, [[path, source('typescript', proof)]]);
}

/** `blocks` TypeScript blocks that wait for nothing and sleep. */
export function sleepingFanProject(blocks: number, sleepMs: number): BenchProject {
  const path = 'custom/item.ts';
  const entries = Array.from({ length: blocks }, (_, index) => ({
    uuid: `item_${String(index + 1).padStart(5, '0')}`,
    type: 'custom' as const,
    language: 'typescript' as const,
    upstream_blocks: [],
    crash_retries: 100,
    configuration: { file_source: { path } },
  }));
  return project('sleepers', entries, [
    [path, `export default () => new Promise((resolve) => setTimeout(resolve, ${sleepMs}));\n`],
  ]);
}

/** A chain whose pipeline lets no run start: so that runs can be had by thousands without running. */
export function heldChainProject(blocks: number): BenchProject {
  const chain = chainProject('typescript', blocks);
  return {
    ...chain,
    write: async (directory) => {
      await chain.write(directory);
      const file = join(directory, `pipelines/${chain.pipelineUuid}/metadata.yaml`);
      await appendFile(file, stringify({ concurrency_config: { pipeline_run_limit: 0 } }));
    },
  };
}

function project(
  pipelineUuid: string,
  blocks: readonly BlockEntry[],
  sources: readonly (readonly [path: string, text: string])[],
): BenchProject {
  const files = new Map([
    ['metadata.yaml', stringify({ project_type: 'standalone', queue_config: { concurrency: slots } })],
    [
      `pipelines/${pipelineUuid}/metadata.yaml`,
      stringify({ name: pipelineUuid, type: 'python', blocks: linked(blocks) }),
    ],
    ...sources,
  ]);
  return {
    pipelineUuid,
    blocks: blocks.length,
    write: async (directory) => {
      for (const [path, text] of files) {
        await mkdir(dirname(join(directory, path)), { recursive: true });
        await writeFile(join(directory, path), text);
      }
    },
  };
}

/** The format names each edge at both its ends. */
function linked(blocks: readonly BlockEntry[]): readonly object[] {
  const downstream = new Map<string, string[]>(blocks.map((block) => [block.uuid, []]));
  for (const block of blocks) for (const upstream of block.upstream_blocks) downstream.get(upstream)?.push(block.uuid);
  return blocks.map((block) => ({ ...block, downstream_blocks: downstream.get(block.uuid) }));
}

function source(language: BlockLanguage, proof: string | undefined): string {
  const file = JSON.stringify(proof);
  if (language === 'python') {
    const body = proof === undefined ? 'pass' : `with open(${file}, 'a') as proof:\n        proof.write('ran\\n')`;
    return `@custom\ndef step(*args):\n    ${body}\n`;
  }
  return proof === undefined
    ? 'export default () => {};\n'
    : `import { appendFileSync } from 'node:fs';\n\nexport default () => appendFileSync(${file}, 'ran\\n');\n`;
}
