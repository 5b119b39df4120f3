import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SilentProxy, startSilentProxy } from '../store/silent-proxy.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/postgres.ts';
import { descendants, isAlive } from '../support/processes.ts';
import { startServerProcess, writeProject } from '../support/server-process.ts';
import { until } from '../support/waiting.ts';

// The network between a server and its database falls silent without a word, and somebody wants to stop the server.

const project = writeProject({
  'pipelines/long/metadata.yaml': 'blocks:\n- {uuid: wait, type: custom, language: typescript}\n',
  'custom/wait.ts': `import { setTimeout as pause } from 'node:timers/promises';\nexport default () => pause(60_000);\n`,
});
let database: TestDatabase;
let proxy: SilentProxy;
beforeAll(async () => {
  database = await createEmptyDatabase();
  proxy = await startSilentProxy(database.connection);
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
  project.remove();
});

test('a server whose database does not answer any more stops all the same, and leaves nothing running', {
  timeout: 60_000,
}, async () => {
  const { user, host, port, database: name } = proxy.settings;
  const url = `postgres://${user}@${host}:${port}/${name}`;
  const server = await startServerProcess(join(project.dir, 'project'), join(project.dir, 'data'), [
    '--database-url',
    url,
  ]);
  await server.query('mutation { triggerPipelineRun(input: {pipelineUuid: "long"}) { __typename } }');
  await until('the block runs', async () => {
    const { pipelineRuns } = await server.query<{
      pipelineRuns: { nodes: { blockRuns: { nodes: { status: string }[] } }[] };
    }>('{ pipelineRuns { nodes { blockRuns { nodes { status } } } } }');
    return pipelineRuns.nodes[0]?.blockRuns.nodes[0]?.status === 'RUNNING';
  });
  const family = descendants(server.pid);
  proxy.fallSilent();
  server.kill('SIGINT');
  expect(await server.gone).toBe(1);
  expect(server.printed()).toContain('the database does not answer');
  await until('nothing of the server lives', () => family.every((pid) => !isAlive(pid)), 5000);
});
