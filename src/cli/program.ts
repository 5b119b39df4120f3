import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { exitCodes } from './exit-codes.ts';
import { explainError } from './explain-error.ts';
import { addRun } from './run.ts';
import { addRuns } from './runs.ts';
import { addServe } from './serve.ts';

const program = new Command('penstock')
  .description('Runs data pipelines, and lets you see and steer every run, live.')
  .version(packageJson.version)
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });
addServe(program);
addRun(program);
addRuns(program);

// Who pipes us into `head`, or whose disk is full, misses what we print; the work and its exit code go on.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version were asked for; everything else that commander refuses is usage.
    process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  } else {
    const { message, code } = explainError(error);
    process.stderr.write(`${message}\n`);
    process.exitCode = code;
  }
}
