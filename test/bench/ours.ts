import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Contender, Figures, Ground, RunningContender } from './benchmark.ts';
import { type OursClient, openOursClient, type ServerAddress, type TimedRun } from './ours-client.ts';
import type { BenchProject } from './projects.ts';
import { median } from './verdict.ts';

/** How one round is made of runs of the pipeline, and what its value is. */
export type OursRound = {
  readonly runs: number;
  readonly warmUps: number;
  readonly value: (runs: readonly TimedRun[], blocks: number) => number;
};

/** The median of the runs' wall times, in milliseconds. */
export const medianWallMs: OursRound['value'] = (runs) => median(runs.map((run) => run.wallMs));

/** Blocks per second of wall time, over all runs of the round. */
export const blocksPerSecond: OursRound['value'] = (runs, blocks) =>
  (runs.length * blocks) / (runs.reduce((sum, run) => sum + run.wallMs, 0) / 1000);

/**
 * Penstock as a user has it: `penstock serve` in a process of its own on a database of its own, all roles, events and logs
 * on, driven through GraphQL from this process.
 */
export function ours(name: string, project: BenchProject, round: OursRound): Contender {
  return {
    name,
    usesPostgres: true,
    installedSeparately: false,
    start: async (ground) => {
      const server = await startServer(ground, project);
      let client: OursClient | undefined;
      const stop = async () => {
        await client?.close();
        await stopServer(server.process);
      };
      try {
        client = await openOursClient(server.address, project.pipelineUuid, project.blocks);
        await repeat(client, round.warmUps);
      } catch (error) {
        await stop();
        throw error;
      }
      return runningContender(server.process.pid!, client, project, round, stop);
    },
  };
}

function runningContender(
  pid: number,
  client: OursClient,
  project: BenchProject,
  round: OursRound,
  stop: () => Promise<void>,
): RunningContender {
  const measure = async (): Promise<Figures> => {
    const runs = await repeat(client, round.runs);
    return {
      value: round.value(runs, project.blocks),
      operations: runs.length * project.blocks,
      raw: { wallMs: runs.map((run) => run.wallMs), recordedMs: runs.map((run) => run.recordedMs) },
    };
  };
  return { pid, measure, stop };
}

async function repeat(client: OursClient, times: number): Promise<readonly TimedRun[]> {
  const runs: TimedRun[] = [];
  for (let i = 0; i < times; i++) runs.push(await client.runOnce());
  return runs;
}

const repository = resolve(import.meta.dirname, '../..');

/** Starts `penstock serve` on a fresh database of the ground; resolves when it is ready. */
export async function startServer(
  ground: Ground,
  project: BenchProject,
  flags: readonly string[] = [],
): Promise<{
  readonly process: ChildProcess;
  readonly address: ServerAddress;
  readonly projectDirectory: string;
  readonly databaseUrl: string;
}> {
  const projectDirectory = await ground.directory(project.pipelineUuid);
  await project.write(projectDirectory);
  const dataDirectory = await ground.directory('data');
  const databaseUrl = await ground.database(`ours_${project.pipelineUuid}`);
  const server = spawn(
    process.execPath,
    ['src/cli/main.ts', 'serve', projectDirectory].concat([
      '--port',
      '0',
      '--data-dir',
      dataDirectory,
      '--database-url',
      databaseUrl,
      ...flags,
    ]),
    { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    await readyLine(server);
    const address = JSON.parse(await readFile(join(dataDirectory, 'server.json'), 'utf8')) as ServerAddress;
    return { process: server, address, projectDirectory, databaseUrl };
  } catch (error) {
    await stopServer(server);
    throw error;
  }
}

/** Resolves at the line that `penstock serve` prints last; everything that it prints is read on, so that it never blocks. */
function readyLine(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: server.stdout! });
    lines.on('line', (line) => {
      if (line.startsWith('ready ')) resolve();
    });
    server.once('exit', (code) => reject(new Error(`penstock serve ended (exit code ${code}) before it was ready.`)));
  });
}

/** Ends a server that `startServer` started. */
export async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, 'exit');
  server.kill('SIGTERM');
  const patience = setTimeout(() => server.kill('SIGKILL'), 10_000);
  await exit;
  clearTimeout(patience);
}
