import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import type { Watchdog } from '../executor.ts';
import { endGroup, giveWay, signalGroup } from './process-group.ts';
import { greetChildren, type PythonChild } from './python-child.ts';
import { createFrameReader, encodeFrame } from './python-frames.ts';
import type { ChildEnd } from './python-outcome.ts';

/**
 * The worker's side of python/fork_server.py: starts it, asks it for children, and hears of their output and their end.
 * Every child connects here itself, so that a task and its result never wait for the fork server.
 */
export type ForkServer = {
  readonly fork: (count: number) => void;
  /** Asks it to import these libraries before it forks again, as soon as it is idle. */
  readonly preload: (modules: readonly string[]) => void;
  /** To be said before a child is told to stop: its group is then left alone when it ends, for whoever says so to kill in time. */
  readonly giveGrace: (pid: number, graceMs: number) => void;
  readonly stop: () => Promise<void>;
};

export type ForkServerEvents = {
  readonly onChild: (child: PythonChild) => void;
  /** What a child's subprocesses wrote, after the child itself had said that many lines. */
  readonly onRawOutput: (pid: number, stream: 'stdout' | 'stderr', afterLines: number, bytes: Buffer) => void;
  readonly onChildEnd: (end: ChildEnd) => void;
  readonly onForkFailed: (message: string) => void;
  /** Libraries were imported: children of earlier generations don't have them. */
  readonly onGeneration: (generation: number, modules: readonly string[]) => void;
  /** It died without being asked to. Called once, and only after it had started. */
  readonly onDeath: () => void;
};

export type ForkServerOptions = {
  readonly python: string;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly watchdog: Watchdog;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
};

const script = join(import.meta.dirname, 'python', 'fork_server.py');
const startPatienceMs = 30_000;
const stopPatienceMs = 1_000;
const errorTailBytes = 4_000;

/** Starts a fork server; rejects with a sentence for the user when it can't. */
export async function startForkServer(options: ForkServerOptions, events: ForkServerEvents): Promise<ForkServer> {
  const folder = await mkdtemp(join(shortTemporaryFolder(), 'penstock-'));
  const connections = new Set<Socket>();
  const listener = await listen(join(folder, 's'), (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    greetChildren(socket, events.onChild);
  });
  const settings = JSON.stringify({ projectDir: options.projectDir, socket: join(folder, 's') });
  const server = spawn(options.python, [script, settings], {
    detached: true,
    // Its libraries are bound at once: else every child would look for the same symbols again.
    env: { ...options.env, LD_BIND_NOW: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const channel = server.stdio[3] as Duplex;
  const errors = tailOf(server.stderr as Readable);
  const group = server.pid;
  if (group !== undefined) {
    options.watchdog.guard(group);
    giveWay(group);
  }
  const exited = new Promise<void>((resolve) => {
    server.once('exit', () => resolve());
    server.once('error', () => resolve());
  });
  const ready = Promise.withResolvers<void>();
  let started = false;
  let stopping = false;

  channel.on('error', () => {}); // It died; 'exit' tells.
  channel.on(
    'data',
    createFrameReader((kind, payload) => {
      if (kind === 'O') {
        const stream = payload[4] === 0 ? 'stdout' : 'stderr';
        events.onRawOutput(payload.readUInt32BE(0), stream, payload.readDoubleBE(5), payload.subarray(13));
      } else if (kind === 'X') events.onChildEnd(JSON.parse(payload.toString()) as ChildEnd);
      else if (kind === 'N') events.onForkFailed(payload.toString());
      else {
        const facts = JSON.parse(payload.toString()) as { generation: number; modules: readonly string[] };
        if (kind === 'Y') ready.resolve();
        events.onGeneration(facts.generation, facts.modules);
      }
    }),
  );

  async function cleanUp(): Promise<void> {
    listener.close();
    for (const connection of connections) connection.destroy();
    await rm(folder, { recursive: true, force: true });
    if (group !== undefined) {
      await endGroup(group, stopPatienceMs);
      options.watchdog.release(group);
    }
  }

  server.once('error', (error) =>
    ready.reject(new Error(`${options.python} could not be started: ${error.message}. ${remedy}`)),
  );
  server.once('close', (code, signal) => {
    ready.reject(new Error(startFailure(options.python, code, signal, errors())));
    if (started && !stopping) {
      void cleanUp();
      events.onDeath();
    }
  });
  const giveUp = () => ready.reject(new Error('Python was stopped while it started.'));
  options.signal.addEventListener('abort', giveUp, { once: true });
  if (options.signal.aborted) giveUp();
  const impatience = setTimeout(() => {
    ready.reject(new Error(`${options.python} did not start within ${startPatienceMs / 1000} s. ${errors()}`.trim()));
  }, startPatienceMs);
  try {
    await ready.promise;
  } catch (error) {
    stopping = true;
    if (group !== undefined) signalGroup(group, 'SIGKILL');
    await cleanUp();
    throw error;
  } finally {
    clearTimeout(impatience);
    options.signal.removeEventListener('abort', giveUp);
  }
  started = true;
  // On Linux the fork server holds the socket by its inode, so that a kill of this process leaves no file behind.
  if (process.platform === 'linux') await rm(folder, { recursive: true, force: true });

  return {
    fork: (count) => void channel.write(encodeFrame('F', String(count))),
    giveGrace: (pid, graceMs) => void channel.write(encodeFrame('S', JSON.stringify([pid, graceMs]))),
    preload: (modules) => void channel.write(encodeFrame('P', JSON.stringify(modules))),
    stop: async () => {
      stopping = true;
      channel.end();
      const patience = setTimeout(() => group !== undefined && signalGroup(group, 'SIGKILL'), stopPatienceMs);
      await exited;
      clearTimeout(patience);
      await cleanUp();
    },
  };
}

function listen(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

/** A socket's path may have about 100 characters. */
function shortTemporaryFolder(): string {
  return tmpdir().length > 70 ? '/tmp' : tmpdir();
}

function tailOf(stream: Readable): () => string {
  let tail = '';
  stream.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-errorTailBytes);
  });
  return () => tail.trim();
}

const remedy = 'Name a Python (3.9 or newer) that can with PENSTOCK_PYTHON.';

function startFailure(python: string, code: number | null, signal: string | null, errors: string): string {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
  return `${python} ${how} before it could run blocks. ${remedy}${errors ? ` It said: ${errors}` : ''}`;
}
