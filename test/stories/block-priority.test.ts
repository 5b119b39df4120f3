import { getPriority } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

const project = writeProject({
  'pipelines/polite/metadata.yaml': `
blocks:
- {uuid: in_python, type: custom, language: python}
- {uuid: in_typescript, type: custom, language: typescript}
- {uuid: in_shell, type: custom, language: shell}
`,
  'custom/in_python.py': '@custom\ndef niceness(*args, **kwargs):\n    import os\n    return os.nice(0)\n',
  'custom/in_typescript.ts': `import { getPriority } from 'node:os';\nexport default () => getPriority();\n`,
  'custom/in_shell.sh': 'nice > "$OUTPUT"\n',
});
let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess(`${project.dir}/project`, `${project.dir}/data`);
}, 60_000);
afterAll(async () => {
  server?.kill('SIGINT');
  await server?.gone;
  project.remove();
});

test('blocks of every language give way to the server', async () => {
  const { triggerPipelineRun } = await server.query<{ triggerPipelineRun: { pipelineRun: { id: string } } }>(
    `mutation { triggerPipelineRun(input: { pipelineUuid: "polite" }) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }`,
  );
  const run = await until('the run is completed', async () => {
    const { pipelineRun } = await server.query<{
      pipelineRun: {
        status: string;
        blockRuns: { nodes: readonly { blockUuid: string; outputs: readonly { value: unknown }[] }[] };
      };
    }>(
      'query ($id: ID!) { pipelineRun(id: $id) { status blockRuns { nodes { blockUuid outputs(sampleCount: 1) { value } } } } }',
      { id: triggerPipelineRun.pipelineRun.id },
    );
    return pipelineRun.status === 'COMPLETED' && pipelineRun;
  });
  const niceness = run.blockRuns.nodes.map(({ blockUuid, outputs }) => [blockUuid, Number(outputs[0]?.value)]);
  const expected = Math.min(getPriority() + 5, 19);
  expect(niceness).toEqual(['in_python', 'in_typescript', 'in_shell'].map((uuid) => [uuid, expected]));
});
