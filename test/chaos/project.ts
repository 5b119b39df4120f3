import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

/** A pipeline of the chaos: how many block runs one run of it makes. */
export type ChaosPipeline = { readonly uuid: string; readonly blocks: number };

type Block = {
  readonly uuid: string;
  readonly language: 'typescript' | 'python';
  readonly upstream: readonly string[];
  /** What it is, where it is no ordinary block: a sensor, or one that may be kept out, or that fails now and then. */
  readonly nature?: 'sensor' | 'guarded' | 'shaky';
  readonly isToldOf?: boolean;
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
  guarded: [
    { ...typescript('gate'), nature: 'guarded', isToldOf: true },
    { ...typescript('shaky', 'gate'), nature: 'shaky', isToldOf: true },
    { ...python('behind', 'shaky'), isToldOf: true },
  ],
  watched: [{ ...typescript('seen'), nature: 'sensor', isToldOf: true }, { ...typescript('after_seen', 'seen') }],
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
      stringify({
        name: uuid,
        type: 'python',
        blocks: blocks.map((b) => entry(b, blocks)),
        conditionals: [attached('conditional', 'let_in')],
        callbacks: [attached('callback', 'tell')],
      }),
    );
  }
  files.set('custom/work.ts', typescriptSource(journal, blockMs, false));
  files.set('custom/shaky.ts', typescriptSource(journal, blockMs, true));
  files.set('sensors/look.ts', sensorSource(journal));
  files.set('conditionals/let_in.ts', conditionalSource(journal));
  files.set('callbacks/tell.ts', callbackSource(journal));
  files.set('custom/work.py', pythonSource(journal, blockMs));
  for (const [path, text] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return Object.entries(pipelines).map(([uuid, blocks]) => ({ uuid, blocks: blocks.length }));
}

function entry({ uuid, language, upstream, nature, isToldOf }: Block, all: readonly Block[]): object {
  const file = nature === 'sensor' ? 'sensors/look.ts' : nature === 'shaky' ? 'custom/shaky.ts' : null;
  return {
    uuid,
    type: nature === 'sensor' ? 'sensor' : 'custom',
    language,
    upstream_blocks: upstream,
    downstream_blocks: all.filter((other) => other.upstream.includes(uuid)).map((other) => other.uuid),
    // Workers die by the dozen here, and the point is that the work gets done.
    crash_retries: 100,
    configuration: {
      file_source: { path: file ?? `custom/work.${language === 'python' ? 'py' : 'ts'}` },
      ...(nature === 'sensor' ? { interval: 0.2 } : {}),
    },
    ...(nature === 'guarded' ? { conditional_blocks: ['let_in'] } : {}),
    ...(nature === 'shaky' ? { retry_config: { retries: 1, delay: 0.1 } } : {}),
    ...(isToldOf ? { callback_blocks: ['tell'] } : {}),
  };
}

function attached(type: 'conditional' | 'callback', uuid: string): object {
  return { uuid, type, language: 'typescript' };
}

// Each line in one write with O_APPEND, so that lines of many processes never mix.
const saying = (journal: string) => `
import { appendFileSync } from 'node:fs';

const say = (what, { pipelineRunId, blockUuid, parentBlockUuid, fence }) =>
  appendFileSync(${JSON.stringify(journal)}, \`\${what} \${pipelineRunId} \${parentBlockUuid ?? blockUuid} \${fence} \${process.pid} \${process.hrtime.bigint()}\\n\`);
`;

const typescriptSource = (journal: string, [from, to]: BlockMs, isShaky: boolean) => `${saying(journal)}
import { setTimeout as pause } from 'node:timers/promises';

export default async function work({ context }) {
  say('start', context);
  await pause(${from} + Math.random() * ${to - from});
  if (${isShaky} && Math.random() < 0.2) throw new Error('It shakes.');
  say('end', context);
}
`;

// What a sensor says yes to is done: that call is its start and its end.
const sensorSource = (journal: string) => `${saying(journal)}
export const sensor = ({ context }) => {
  const isThere = Math.random() < 0.4;
  for (const what of isThere ? ['start', 'end'] : ['not_yet']) say(what, context);
  return isThere;
};
`;

const conditionalSource = (journal: string) => `${saying(journal)}
export const condition = ({ context }) => {
  const mayRun = Math.random() < 0.7;
  say(mayRun ? 'let_in' : 'kept_out', context);
  return mayRun;
};
`;

const callbackSource = (journal: string) => `${saying(journal)}
export const callback = ({ context }) => say('told_' + context.ended.status, context);
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
