import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// Blocks start runs of other pipelines and wait for them, on a worker with a single slot.

const project = writeProject({
  'pipelines/from_python/metadata.yaml': `
variables: {who: world}
blocks:
- {uuid: ask_python, type: custom, language: python}
`,
  'pipelines/from_typescript/metadata.yaml': `
variables: {who: world}
blocks:
- {uuid: ask_typescript, type: custom, language: typescript}
`,
  'pipelines/from_itself/metadata.yaml': `
blocks:
- {uuid: ask_itself, type: custom, language: typescript}
`,
  'pipelines/child/metadata.yaml': `
blocks:
- {uuid: greet, type: custom, language: shell}
- {uuid: linger, type: custom, language: typescript, upstream_blocks: [greet]}
`,
  'custom/ask_python.py': `
from mage_ai.orchestration.triggers.api import trigger_pipeline

@custom
def ask_python(*args, **kwargs):
    run = trigger_pipeline('child', variables={'who': kwargs['who']}, check_status=True, error_on_failure=True)
    return {'run': run.id, 'status': run.status}
`,
  'custom/ask_typescript.ts': `
import type { Block } from 'penstock/block';

const ask: Block = async ({ context, variables }) =>
  context.triggerPipeline('child', { variables: { who: variables.who }, wait: true });
export default ask;
`,
  'custom/ask_itself.ts': 'export default ({ context }) => context.triggerPipeline("from_itself", { wait: true });',
  'custom/greet.sh': `
if [ "$VAR_WHO" = nobody ]; then
  echo "there is nobody to greet" >&2
  exit 3
fi
echo "{\\"greeting\\": \\"Hello, $VAR_WHO\\"}" > "$OUTPUT"
`,
  'custom/linger.ts': `
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default async ({ inputs: [greeting], variables, signal }) => {
  if (variables.who === 'slow') while (!existsSync(process.env.CHILD_STORY)) await pause(50, null, { signal });
  return greeting;
};
`,
});
const door = join(project.dir, 'open');

let server: ServerProcess;
const startServer = async () => {
  server = await startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), [
    '--slots',
    '1',
    '--grace',
    '2',
  ]);
};
beforeAll(async () => {
  process.env.CHILD_STORY = door;
  await startServer();
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  delete process.env.CHILD_STORY;
  project.remove();
});

type Run = {
  readonly id: string;
  readonly status: string;
  readonly statusReason: { readonly code: string; readonly message: string } | null;
  readonly error: { readonly type: string; readonly message: string } | null;
  readonly cause: string;
  readonly parentBlockRun: { readonly blockUuid: string } | null;
  readonly blockers: readonly { readonly code: string }[];
  readonly childRuns: { readonly nodes: readonly { readonly id: string }[] };
  readonly blockRuns: {
    readonly nodes: readonly { readonly attempt: number; readonly outputs: readonly { readonly value: unknown }[] }[];
  };
};

async function start(pipelineUuid: string, variables: Record<string, unknown> = {}): Promise<string> {
  const { triggerPipelineRun } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    `mutation ($input: TriggerPipelineRunInput!) {
       triggerPipelineRun(input: $input) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } ... on UserError { message } }
     }`,
    { input: { pipelineUuid, variables } },
  );
  return triggerPipelineRun.pipelineRun.id;
}

async function read(id: string): Promise<Run> {
  const { pipelineRun } = await server.query<{ pipelineRun: Run }>(
    `query ($id: ID!) {
       pipelineRun(id: $id) {
         id status statusReason { code message } error { type message } cause parentBlockRun { blockUuid } blockers { code }
         childRuns { nodes { id } }
         blockRuns { nodes { attempt outputs(sampleCount: 1) { value } } }
       }
     }`,
    { id },
  );
  return pipelineRun;
}

async function reads(id: string, holds: (run: Run) => boolean): Promise<Run> {
  return until(`what ${id} comes to`, async () => {
    const run = await read(id);
    return holds(run) ? run : null;
  });
}

const ended = (id: string) => reads(id, (run) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(run.status));

/** Starts a parent whose child lingers, and waits until it is seen to wait. */
async function waitingParent(pipelineUuid: string): Promise<{ readonly parent: string; readonly child: string }> {
  const parent = await start(pipelineUuid, { who: 'slow' });
  const waits = (run: Run) => run.blockers[0]?.code === 'CHILD_RUN' && run.childRuns.nodes.length > 0;
  const child = (await reads(parent, waits)).childRuns.nodes[0]!.id;
  await reads(child, (run) => run.status === 'RUNNING');
  return { parent, child };
}

test.each(['from_python', 'from_typescript'])(
  'a block %s waits for its child, which runs in the slot that it gave up',
  async (pipeline) => {
    const parent = await ended(await start(pipeline));
    expect(parent).toMatchObject({ status: 'COMPLETED', parentBlockRun: null });
    const child = await read(parent.childRuns.nodes[0]?.id ?? 'none');
    expect(child).toMatchObject({
      status: 'COMPLETED',
      cause: 'PARENT',
      parentBlockRun: { blockUuid: pipeline.replace('from', 'ask') },
    });
    expect(child.blockRuns.nodes[1]?.outputs[0]?.value).toEqual({ greeting: 'Hello, world' });
    expect(JSON.stringify(parent.blockRuns.nodes[0]?.outputs[0]?.value)).toContain('completed');
  },
);

test.each(['from_python', 'from_typescript'])(
  'a block %s fails with the reason of its child, by its name',
  async (pipeline) => {
    const parent = await ended(await start(pipeline, { who: 'nobody' }));
    const child = await read(parent.childRuns.nodes[0]?.id ?? 'none');
    expect(child.error?.message).toMatch(/exit code 3: there is nobody to greet/);
    expect(parent).toMatchObject({ status: 'FAILED', error: { type: 'ChildRunError' } });
    expect(parent.error?.message).toMatch(new RegExp(`^${child.id} of pipeline child is failed: .*greet`));
  },
);

test('a pipeline that starts itself comes to an end, ten runs deep', async () => {
  const parent = await ended(await start('from_itself'));
  expect(parent.status).toBe('FAILED');
  let deepest = parent;
  let depth = 0;
  while (deepest.childRuns.nodes[0] !== undefined) {
    deepest = await read(deepest.childRuns.nodes[0].id);
    depth += 1;
  }
  expect(depth).toBe(10);
  expect(deepest.error?.message).toMatch(/can be 10 deep/);
});

test.each(['from_python', 'from_typescript'])(
  'a child that a block %s waits for is cancelled with its parent',
  async (pipeline) => {
    const { parent, child } = await waitingParent(pipeline);
    await server.query(
      'mutation ($ids: [ID!]!) { cancelPipelineRuns(input: { selection: { ids: $ids } }) { __typename } }',
      { ids: [parent] },
    );
    expect((await ended(parent)).status).toBe('CANCELLED');
    expect(await ended(child)).toMatchObject({ status: 'CANCELLED', statusReason: { code: 'PARENT_CANCELLED' } });
  },
);

test('after a kill -9 of everything, a parent that waited finds the very run that it waited for', async () => {
  const { parent, child } = await waitingParent('from_python');
  server.kill('SIGKILL');
  await server.gone;
  await startServer();
  await reads(parent, (run) => run.blockRuns.nodes[0]?.attempt === 2 && run.blockers[0]?.code === 'CHILD_RUN');
  writeFileSync(door, '');
  const end = await ended(parent);
  expect(end).toMatchObject({ status: 'COMPLETED', childRuns: { nodes: [{ id: child }] } });
}, 60_000);
