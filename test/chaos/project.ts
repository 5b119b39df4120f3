import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

/** A pipeline of the chaos: how many block runs one run of it makes. */
export type ChaosPipeline = { readonly uuid: string; readonly blocks: number };

type Block = {
  readonly uuid: string;
  readonly language: 'typescript' | 'python';
  readonly upstream: readonly string[];
};

const typescript = (uuid: string, ...upstream: readonly string[]): Block => ({
  uuid,
  language: 'typescript',
  upstream,
});
const python = (uuid: string, ...upstream: readonly string[]): Block => ({ uuid, language: 'python', upstream });

const pipelines: Readonly<Record<string, readonly Block[]>> = {
  fan: Array.from({ length: 12 }, (_, place) => typescript(`fan_${place + 1}`)),
  chain: Array.from({ length: 6 }, (_, place) =>
    typescript(`link_${place + 1}`, ...(place > 0 ? [`link_${place}`] : [])),
  ),
  diamond: [
    typescript('top'),
    python('left', 'top'),
    typescript('right', 'top'),
    typescript('middle', 'top'),
    python('bottom', 'left', 'right', 'middle'),
  ],
};

/** How long blocks take, in milliseconds. */
export type BlockMs = readonly [from: number, to: number];

/** Writes the project into an empty directory. Its blocks append to the journal when they begin and when they end. */
export async function writeChaosProject(
  directory: string,
  journal: string,
  blockMs: BlockMs,
): Promise<readonly ChaosPipeline[]> {
  const files = new Map([['metadata.yaml', stringify({ project_type: 'standalone' })]]);
  for (const [uuid, blocks] of Object.entries(pipelines)) {
    files.set(
      `pipelines/${uuid}/metadata.yaml`,
      stringify({ name: uuid, type: 'python', blocks: blocks.map((b) => entry(b, blocks)) }),
    );
  }
  files.set('custom/work.ts', typescriptSource(journal, blockMs));
  files.set('custom/work.py', pythonSource(journal, blockMs));
  for (const [path, text] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return Object.entries(pipelines).map(([uuid, blocks]) => ({ uuid, blocks: blocks.length }));
}

function entry({ uuid, language, upstream }: Block, all: readonly Block[]): object {
  return {
    uuid,
    type: 'custom',
    language,
    upstream_blocks: upstream,
    downstream_blocks: all.filter((other) => other.upstream.includes(uuid)).map((other) => other.uuid),
    // Workers die by the dozen here, and the point is that the work gets done.
    crash_retries: 100,
    configuration: { file_source: { path: `custom/work.${language === 'python' ? 'py' : 'ts'}` } },
  };
}

// Each line in one write with O_APPEND, so that lines of many processes never mix.
const typescriptSource = (journal: string, [from, to]: BlockMs) => `
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default async function work({ context: { pipelineRunId, blockUuid, fence } }) {
  const say = (what) =>
    appendFileSync(${JSON.stringify(journal)}, \`\${what} \${pipelineRunId} \${blockUuid} \${fence} \${process.pid} \${process.hrtime.bigint()}\\n\`);
  say('start');
  await pause(${from} + Math.random() * ${to - from});
  say('end');
}
`;

const pythonSource = (journal: string, [from, to]: BlockMs) => `
import os, random, time

@custom
def work(*args, **kwargs):
    log = os.open(${JSON.stringify(journal)}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def say(what):
        line = f"{what} {kwargs['pipeline_run_id']} {kwargs['block_uuid']} {kwargs['context']['fence']} {os.getpid()} {time.monotonic_ns()}\\n"
        os.write(log, line.encode())
    say('start')
    time.sleep(random.uniform(${from / 1000}, ${to / 1000}))
    say('end')
`;
