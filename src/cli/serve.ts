import { flushCompileCache } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { App } from '../app/start-app.ts';
import { type Config, environmentName, readConfig } from '../config.ts';
import { exitCodes } from './exit-codes.ts';
import { removeServerFile, writeServerFile } from './server-file.ts';

/** The flags of `serve`: name in the configuration, flag, argument, help. */
const flags = [
  ['port', '--port', '<port>', 'port to listen on; 0 picks a free one (default 4800)'],
  ['host', '--host', '<address>', 'address to listen on (default 127.0.0.1)'],
  ['dataDir', '--data-dir', '<dir>', 'where the embedded Postgres, outputs and the token live (default .penstock)'],
  ['databaseUrl', '--database-url', '<url>', 'use this Postgres (15 or newer) instead of the embedded one'],
  ['role', '--role', '<roles>', 'all, or some of api, scheduler, worker separated by commas (default all)'],
  ['slots', '--slots', '<n>', 'blocks that run at once here (default: queue_config.concurrency, else cores × 2)'],
  ['label', '--label', '<label>', 'take the blocks that ask for this label (default: default)'],
  ['drain', '--drain', '<seconds>', 'how long SIGTERM waits for running blocks (default 30)'],
  ['grace', '--grace', '<seconds>', 'how long a cancelled block may take to end before it is killed (default 10)'],
  ['allowedHosts', '--allowed-hosts', '<hosts>', 'more names that this server answers to, separated by commas'],
  [
    'allowedOrigins',
    '--allowed-origins',
    '<origins>',
    'more pages that may call it, as exact origins separated by commas',
  ],
  ['logLevel', '--log-level', '<level>', 'debug, info, warn, error or silent (default warn)'],
] as const;

/** From SIGTERM to SIGKILL for blocks when the server itself ends, in milliseconds: all is over within 5 s. */
const shutdownGraceMs = 3000;
/** What can't stop in order after so long never will: a database behind a silent network is waited for by everything that stops. */
const longestStopMs = 10_000;

/** `penstock serve [DIR]`: serves the pipelines of a folder until it is told to stop. */
export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve the pipelines of a folder: API, scheduler and worker in one process')
    .argument('[dir]', 'the project: a folder with pipelines/', '.');
  for (const [, flag, argument, help] of flags)
    command.option(`${flag} ${argument}`, `${help} [${environmentName(flag)}]`);
  command.option('--no-auth', `let everybody on this machine in (loopback only) [${environmentName('--no-auth')}]`);
  command.action(async (dir: string, options: Record<string, string | boolean | undefined>) => {
    const given = Object.fromEntries(
      flags.flatMap(([name]) => (typeof options[name] === 'string' ? [[name, options[name]]] : [])),
    );
    const config = readConfig(dir, { ...given, ...(options.auth === false ? { noAuth: 'true' } : {}) }, process.env);
    process.exitCode = await serve(config);
  });
}

async function serve(config: Config): Promise<number> {
  const signals = catchSignals();
  // Not read by the commands that only talk to a server.
  const { startApp } = await import('../app/start-app.ts');
  const app = await startApp(config);
  if (app.url !== null) writeServerFile(config.dataDir, { url: app.url, token: app.token, pid: process.pid });
  announce(config, app);
  // Now, because a server that is killed keeps nothing at its end.
  flushCompileCache();
  const signal = await signals.first;
  process.stdout.write('\nstopping …\n');
  removeServerFile(config.dataDir, process.pid);
  const drainMs = signal === 'SIGTERM' ? config.drainSeconds * 1000 : 0;
  const isInOrder = await Promise.race([
    app.stop({ drainMs, graceMs: shutdownGraceMs }).then(() => true),
    delay(drainMs + longestStopMs, false, { ref: false }),
  ]);
  if (!isInOrder) leaveAtOnce();
  process.stdout.write('stopped\n');
  return exitCodes.completed;
}

/** The watchdog ends what is left of blocks and of an embedded Postgres. */
function leaveAtOnce(): never {
  process.stderr.write(
    'Something does not stop, perhaps because the database does not answer: leaving without it. What ran here is queued again when it is missed.\n',
  );
  process.exit(exitCodes.failed);
}

/** One Ctrl-C may arrive twice: from the terminal, and from npm, which passes on what its child has got already. */
const sameSignalMs = 500;

/** The first signal asks to stop; a second one ends the process at once, and the watchdog ends what it leaves. */
function catchSignals(): { readonly first: Promise<NodeJS.Signals> } {
  let before: { readonly signal: NodeJS.Signals; readonly at: number } | null = null;
  const first = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        const at = performance.now();
        const isEcho = before?.signal === signal && at - before.at < sameSignalMs;
        if (before !== null && !isEcho) process.kill(process.pid, 'SIGKILL');
        before ??= { signal, at };
        resolve(signal);
      });
    }
  });
  return { first };
}

function announce(config: Config, app: App): void {
  const lines = [`Penstock serves ${config.projectDir} (${[...config.roles].join(', ')})`];
  if (app.url !== null) {
    if (!config.auth) lines.push('WARNING: --no-auth: everybody on this machine may do everything here.');
    lines.push(`GraphQL: ${app.url}/graphql   Token: in ${config.dataDir}/server.json`);
  }
  lines.push('Ctrl-C stops it.', `ready ${app.browserUrl ?? ''}`.trim());
  process.stdout.write(`${lines.join('\n')}\n`);
}
