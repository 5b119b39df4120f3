import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Benchmark, Contender, Figures, Ground } from './benchmark.ts';
import { startServer, stopServer } from './ours.ts';
import type { ServerAddress } from './ours-client.ts';
import { peerContender } from './peers/peer-process.ts';
import { type BenchProject, sleepingFanProject } from './projects.ts';

export type KillSizes = {
  readonly workers: number;
  readonly kills: number;
  /** How long a worker is stopped, once in a round; 0: none is. */
  readonly stopMs: number;
  readonly blockMs: number;
};

export const killSizes: KillSizes = { workers: 8, kills: 6, stopMs: 10_000, blockMs: 3000 };

/** Benchmark 5: how soon the work of a killed worker runs again. */
export function kill9(sizes: KillSizes): Benchmark {
  const { workers, kills, stopMs, blockMs } = sizes;
  return {
    name: 'kill-9',
    about: `${workers} worker processes, half of their slots taken by blocks that sleep ${blockMs / 1000} s; ${kills} of them killed with SIGKILL, one after the other, and one stopped for ${stopMs / 1000} s with SIGSTOP, in each round. From the signal until each block run that it held runs again elsewhere: the longest of the round, so the most of all rounds bounds the 99th percentile. The bar is 2.5 s, and that none is lost: after each round every run completes. pg-boss has a heartbeat of 10 s, its shortest, and its supervisor looks every second.`,
    unit: 'ms',
    better: 'lower',
    ours: oursKilled(sizes),
    peers: [
      {
        target: 0.25,
        contender: peerContender({
          name: 'pg-boss',
          program: 'pg-boss.ts',
          usesPostgres: true,
          installedSeparately: true,
          size: workers,
          perRound: Math.min(kills, 2),
          warmUps: 0,
        }),
      },
    ],
  };
}

function oursKilled({ workers, kills, stopMs, blockMs }: KillSizes): Contender {
  return {
    name: 'Penstock',
    usesPostgres: true,
    installedSeparately: false,
    start: async (ground) => {
      const project = sleepingFanProject(workers, blockMs);
      const server = await startServer(ground, project, ['--role', 'api,scheduler']);
      const crew = new Crew(ground, server, project);
      try {
        for (let i = 0; i < workers; i++) await crew.hire();
      } catch (error) {
        await crew.dismiss();
        throw error;
      }
      return {
        pid: server.process.pid!,
        measure: async () => measure(crew, kills, stopMs),
        stop: () => crew.dismiss(),
      };
    },
  };
}

async function measure(crew: Crew, kills: number, stopMs: number): Promise<Figures> {
  const work = crew.keepBusy();
  const killed: number[] = [];
  for (let i = 0; i < kills; i++) {
    const victim = await crew.busyWorker();
    killed.push(...(await crew.timeUntilAgain(victim, () => victim.process.kill('SIGKILL'))));
    await crew.hire();
  }
  const stopped: number[] = [];
  if (stopMs > 0) {
    const victim = await crew.busyWorker();
    const over = pause(stopMs);
    stopped.push(...(await crew.timeUntilAgain(victim, () => victim.process.kill('SIGSTOP'))));
    await over;
    victim.process.kill('SIGCONT');
  }
  work.stop();
  const { runs } = await work.done;
  return {
    value: Math.max(...killed, ...stopped),
    operations: killed.length + stopped.length,
    raw: { killedMs: killed, stoppedMs: stopped, runs },
  };
}

type Member = { readonly process: ChildProcess };
type Server = {
  readonly process: ChildProcess;
  readonly address: ServerAddress;
  readonly projectDirectory: string;
  readonly databaseUrl: string;
};

const repository = resolve(import.meta.dirname, '../..');

/** A server without a worker of its own, and worker processes beside it. */
class Crew {
  readonly #members = new Set<Member>();
  readonly #ground: Ground;
  readonly #server: Server;
  readonly #project: BenchProject;
  readonly #client: pg.Client;
  #connected = false;

  constructor(ground: Ground, server: Server, project: BenchProject) {
    this.#ground = ground;
    this.#server = server;
    this.#project = project;
    this.#client = new pg.Client(server.databaseUrl);
  }

  /** Starts one more worker of two slots; resolves when it has said that it is ready. */
  async hire(): Promise<void> {
    if (!this.#connected) await this.#client.connect();
    this.#connected = true;
    const { projectDirectory, databaseUrl } = this.#server;
    const dataDirectory = await this.#ground.directory('worker');
    const flags = ['--role', 'worker', '--slots', '2', '--data-dir', dataDirectory, '--database-url', databaseUrl];
    const child = spawn(process.execPath, ['src/cli/main.ts', 'serve', projectDirectory, ...flags], {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#members.add({ process: child });
    await new Promise<void>((ready, reject) => {
      child.stdout.on('data', (text: Buffer) => /^ready/m.test(text.toString()) && ready());
      child.once('exit', (code) => reject(new Error(`a worker ended (exit code ${code}) before it was ready`)));
    });
  }

  /** One that holds block runs just begun: they would go on for a while. */
  async busyWorker(): Promise<Member> {
    for (;;) {
      const { rows } = await this.#client.query<{ pid: number }>(
        `select w.pid from worker w join block_run b on b.worker_id = w.id and b.status = 'running'
          where w.ended_at is null and b.started_at > now() - interval '300 ms'`,
      );
      const busy = [...this.#members].find((member) => rows.some((row) => row.pid === member.process.pid));
      if (busy) return busy;
      await pause(10);
    }
  }

  /** Sends the signal and waits until everything that the worker held runs elsewhere; how long each took, in milliseconds. */
  async timeUntilAgain(member: Member, signal: () => void): Promise<readonly number[]> {
    const held = await this.#client.query<{ id: string; worker_id: string }>(
      `select b.id, b.worker_id from block_run b join worker w on w.id = b.worker_id
        where w.pid = $1 and w.ended_at is null and b.status = 'running'`,
      [member.process.pid],
    );
    const at = Date.now();
    signal();
    const ids = held.rows.map((row) => row.id);
    const old = held.rows[0]?.worker_id;
    for (;;) {
      const { rows } = await this.#client.query<{ started_at: Date; worker_id: string }>(
        'select started_at, worker_id from block_run where id = any($1) and worker_id <> $2 and fence > 1',
        [ids, old],
      );
      if (rows.length === ids.length) return rows.map((row) => row.started_at.getTime() - at);
      if (Date.now() - at > 60_000)
        throw new Error(`${ids.length - rows.length} block runs of a lost worker never ran again.`);
      await pause(10);
    }
  }

  /** Triggers one run after the other until it is told to stop; `done` rejects unless every run completes. */
  keepBusy(): { readonly stop: () => void; readonly done: Promise<{ readonly runs: number }> } {
    let open = true;
    const done = (async () => {
      let runs = 0;
      while (open) {
        await this.#runOnce();
        runs++;
      }
      return { runs };
    })();
    done.catch(() => {});
    return {
      stop: () => {
        open = false;
      },
      done,
    };
  }

  async #runOnce(): Promise<void> {
    const { triggerPipelineRun: triggered } = await this.#ask<{
      triggerPipelineRun: { pipelineRun: { id: string } };
    }>(
      'mutation ($p: String!) { triggerPipelineRun(input: { pipelineUuid: $p }) { ... on TriggerPipelineRunSuccess { pipelineRun { id } } } }',
      {
        p: this.#project.pipelineUuid,
      },
    );
    const { id } = triggered.pipelineRun;
    for (;;) {
      const { pipelineRun } = await this.#ask<{ pipelineRun: { status: string } }>(
        'query ($id: ID!) { pipelineRun(id: $id) { status } }',
        { id },
      );
      if (pipelineRun.status === 'COMPLETED') return;
      if (pipelineRun.status !== 'RUNNING' && pipelineRun.status !== 'INITIAL')
        throw new Error(`${id} is ${pipelineRun.status}.`);
      await pause(50);
    }
  }

  async #ask<T>(query: string, variables: object): Promise<T> {
    const { url, token } = this.#server.address;
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    return ((await response.json()) as { data: T }).data;
  }

  async dismiss(): Promise<void> {
    await Promise.all(
      [...this.#members].map(async ({ process: child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGCONT');
        child.kill('SIGKILL');
        await gone;
      }),
    );
    if (this.#connected) await this.#client.end();
    await stopServer(this.#server.process);
  }
}
