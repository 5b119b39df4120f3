// `npm run check`: everything that can be said about the code without running it, the same here and in CI.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

type Check = {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Said beneath a failure: the shortest way to mend it. */
  readonly remedy?: string;
};

type Outcome = { readonly check: Check; readonly passed: boolean; readonly seconds: number; readonly output: string };

const root = fileURLToPath(new URL('..', import.meta.url));

/** The slow ones first: two run at a time. */
const checks: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.', '--pretty', 'false'] },
  {
    name: 'unused files, exports and dependencies',
    command: ['knip', '--no-progress', '--no-config-hints'],
  },
  {
    name: 'generated files',
    command: [process.execPath, 'scripts/check-generated.ts'],
    remedy: '`npm run generate` makes them anew.',
  },
  {
    name: 'format and lint',
    command: ['biome', 'check', '--colors=off', '--max-diagnostics=100', '.'],
    remedy: '`npm run format` mends what a machine can mend.',
  },
  { name: 'import direction', command: [process.execPath, 'scripts/check-imports.ts'] },
  {
    name: 'Python syntax',
    command: ['python3', 'scripts/check_python.py', 'src', 'examples'],
    remedy: 'It needs python3 3.9 or newer on the PATH.',
  },
];

const outcomes = await runAll(checks, Math.min(2, availableParallelism()));
const failed = outcomes.filter((outcome) => !outcome.passed);
console.log(heading('summary'));
for (const { check, passed, seconds } of outcomes) {
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${check.name} (${seconds.toFixed(1)} s)`);
}
console.log(`check: ${outcomes.length - failed.length} of ${outcomes.length} passed`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Runs at most `width` checks at a time; each shows its output when it has ended, so that none is mixed with another's. */
async function runAll(waiting: readonly Check[], width: number): Promise<readonly Outcome[]> {
  const queue = [...waiting];
  const done = new Map<Check, Outcome>();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let check = queue.shift(); check; check = queue.shift()) {
        const outcome = await run(check);
        show(outcome);
        done.set(check, outcome);
      }
    }),
  );
  return waiting.flatMap((check) => done.get(check) ?? []);
}

function run(check: Check): Promise<Outcome> {
  const [command, ...args] = check.command;
  const start = performance.now();
  let output = '';
  return new Promise((resolve) => {
    const end = (passed: boolean) =>
      resolve({ check, passed, seconds: (performance.now() - start) / 1000, output: output.trim() });
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', (error) => {
      output += `${command} could not be started: ${error.message}`;
      end(false);
    });
    child.on('close', (code) => end(code === 0));
  });
}

function show({ check, passed, output }: Outcome): void {
  console.log(heading(check.name));
  if (passed) console.log('ok\n');
  else console.log(`${output}\n${check.remedy ? `→ ${check.remedy}\n` : ''}`);
}

function heading(name: string): string {
  return `── ${name} ${'─'.repeat(Math.max(0, 90 - name.length))}`;
}
