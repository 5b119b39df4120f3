import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as restate from '@restatedev/restate-sdk';
import { postJson } from '../post-json.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { measureChains } from './repeat.ts';
import { servePeer } from './serve-peer.ts';

/**
 * One invocation with so many `ctx.run` steps that do nothing, from the ingress call to its answer. The server is the npm
 * package's binary as it comes: state and log on disk, fsync on. The client talks to it over its Unix socket.
 */
async function start(settings: PeerSettings): Promise<Peer> {
  const chain = restate.service({
    name: 'Chain',
    handlers: {
      run: async (ctx: restate.Context, steps: number) => {
        for (let step = 1; step <= steps; step++) await ctx.run(`step ${step}`, () => {});
        return steps;
      },
    },
  });
  const servicePort = await restate.serve({ services: [chain], port: 0, logger: () => {} });

  const server = await startServer(settings.directory);
  const agent = new http.Agent({ keepAlive: true });
  const post = (socket: string, path: string, body: unknown) =>
    postJson({ socketPath: join(server.sockets, socket), path, agent }, body);
  await post('admin.sock', '/deployments', { uri: `http://127.0.0.1:${servicePort}` });

  const runChain = async () => {
    const steps = await post('ingress.sock', '/Chain/run', settings.size);
    if (steps !== settings.size) throw new Error(`Restate ran ${steps} of ${settings.size} steps.`);
  };
  await measureChains(settings.warmUps, settings.size, runChain);
  return {
    measure: () => measureChains(settings.perRound, settings.size, runChain),
    stop: () => stopServer(server.process),
  };
}

type RestateServer = { readonly process: ChildProcess; readonly sockets: string };

async function startServer(directory: string): Promise<RestateServer> {
  const node = 'bench';
  const sockets = join(directory, node);
  await mkdir(sockets, { recursive: true });
  const server = spawn(
    serverBinary(),
    ['--base-dir', directory, '--node-name', node, '--no-logo', '--use-random-ports', 'true', '--bind-ip', '127.0.0.1'],
    {
      stdio: 'ignore',
      env: { ...process.env, RESTATE_DISABLE_TELEMETRY: 'true' },
    },
  );
  // Whatever ends this process ends the server too.
  process.on('exit', () => server.kill('SIGKILL'));
  for (const name of ['admin.sock', 'ingress.sock']) {
    await appears(sockets, name, server);
    await accepts(join(sockets, name));
  }
  return { process: server, sockets };
}

/** The npm package's own launcher only looks up this path and waits for it; without it, signals need no second hop. */
function serverBinary(): string {
  const require = createRequire(import.meta.url);
  return require.resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, 'exit');
  server.kill('SIGKILL');
  await exit;
}

/** A socket is in its folder a moment before anybody listens on it: resolves at the first connection, rejects after 10 s without. */
async function accepts(path: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const socket = net.connect(path);
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(20);
    } finally {
      socket.destroy();
    }
  }
}

/** Resolves when the server has made the socket, rejects when it ends instead. */
function appears(directory: string, name: string, server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(directory, () => settleIfThere());
    const onExit = (code: number | null) => {
      watcher.close();
      reject(new Error(`restate-server ended (exit code ${code}) before it listened.`));
    };
    const settleIfThere = () => {
      if (!existsSync(join(directory, name))) return;
      watcher.close();
      server.off('exit', onExit);
      resolve();
    };
    server.once('exit', onExit);
    settleIfThere();
  });
}

await servePeer(start);
