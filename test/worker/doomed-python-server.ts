/** A server whose blocks start busy children, and that waits to be killed. Started by python-processes.test.ts. */
import { readFileSync } from 'node:fs';
import { createPythonExecutor } from '../../src/worker/executors/python.ts';
import { startWatchdog } from '../../src/worker/watchdog.ts';

const [python = null, projectDir = ''] = process.argv.slice(2);
const watchdog = await startWatchdog();
const executor = createPythonExecutor({ python, projectDir, watchdog, slots: 2 });
const code = `import os, signal, subprocess, sys, time
@custom
def f():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    busy = subprocess.Popen(['sh', '-c', 'trap "" TERM HUP; while :; do :; done'])
    idle = subprocess.Popen(['sh', '-c', 'sleep 1000 & echo pids $!; wait'])
    print('pids', os.getpid(), os.getppid(), busy.pid, idle.pid)
    while True: time.sleep(1)
`;

let said = 0;
for (const id of [1, 2]) {
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
      file: `${projectDir}/custom/block.py`,
      code,
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
      // Two lines of each block; then the shells: the watchdog is one of this process's own children.
      if (said === 4) {
        console.log(`pids ${readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()}`);
        console.log('all said');
      }
    },
  );
}
