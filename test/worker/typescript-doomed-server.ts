/** A server whose TypeScript blocks run, and that waits to be killed. Started by typescript-processes.test.ts. */
import { createTypeScriptExecutor } from '../../src/worker/executors/typescript.ts';
import { startWatchdog } from '../../src/worker/watchdog.ts';

const [projectDir = ''] = process.argv.slice(2);
const executor = createTypeScriptExecutor({ projectDir, watchdog: await startWatchdog(), slots: 4 });
const child = `const child = spawn('sh', ['-c', 'trap "" TERM HUP; while :; do :; done']); console.log('pids', process.pid, child.pid);`;
const blocks = [
  `${child} for (;;);`,
  `${child} process.on('SIGTERM', () => {}); return new Promise(() => {});`,
  `console.log('pids', process.pid); return new Promise((resolve) => setTimeout(resolve, 60_000));`,
];

let said = 0;
for (const [id, body] of blocks.entries()) {
  executor.run(
    {
      pipelineRunId: 1,
      blockRunId: id,
      pipelineUuid: 'pipeline',
      blockUuid: `block_${id}`,
      blockType: 'custom',
      attempt: 1,
      retryAttempt: 1,
      fence: 1,
      file: `${projectDir}/custom/block_${id}.ts`,
      code: `import { spawn } from 'node:child_process'; export default () => { ${body} };`,
      configuration: {},
      variables: {},
      timezone: null,
      inputs: [],
      outputsRoot: '/nowhere',
      outputPath: `1/${id}/1`,
    },
    (entry) => {
      console.log(entry.message);
      said += 1;
      if (said === blocks.length) console.log('all said');
    },
  );
}
await executor.warm(4);
