import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Contender, RunningContender } from '../benchmark.ts';
import type { PeerReply, PeerRequest, PeerSettings } from './peer-protocol.ts';

export type PeerContender = Omit<Contender, 'start'> &
  Pick<PeerSettings, 'size' | 'perRound' | 'warmUps'> & {
    /** The peer's program in this directory. */
    readonly program: string;
  };

/** A contender that is one of the programs in this directory, run with the Node that runs the benchmark. */
export function peerContender(peer: PeerContender): Contender {
  const { name, program, usesPostgres, installedSeparately, size, perRound, warmUps } = peer;
  return {
    name,
    usesPostgres,
    installedSeparately,
    start: async (ground) => {
      const slug = program.replace(/\W+/g, '_');
      const settings: PeerSettings = {
        databaseUrl: await ground.database(slug),
        directory: await ground.directory(slug),
        size,
        perRound,
        warmUps,
      };
      return startPeer(name, program, settings);
    },
  };
}

async function startPeer(name: string, program: string, settings: PeerSettings): Promise<RunningContender> {
  // A peer's chatter must not get between the lines of --json: its stdout goes nowhere, its stderr is the benchmark's.
  const child = fork(join(import.meta.dirname, program), [JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--no-deprecation'],
  });
  const stop = () => stopPeer(child);
  try {
    await nextReply(name, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid!,
    measure: async () => {
      const answer = nextReply(name, child);
      child.send('measure' satisfies PeerRequest);
      const reply = await answer;
      if (reply.kind !== 'measured') throw new Error(`${name} answered "${reply.kind}" instead of its figures.`);
      return reply.figures;
    },
    stop,
  };
}

function nextReply(name: string, child: ChildProcess): Promise<PeerReply> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => {
      child.off('message', onMessage);
      reject(new Error(`${name} ended (exit code ${code}) before it answered.`));
    };
    const onMessage = (reply: PeerReply) => {
      child.off('exit', onExit);
      if (reply.kind === 'failed') reject(new Error(`${name} failed: ${reply.message}`));
      else resolve(reply);
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
  });
}

async function stopPeer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  // A peer that failed at its start listens to nothing; losing the channel ends it either way.
  if (child.connected) child.send('stop' satisfies PeerRequest, () => {});
  const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exit;
  clearTimeout(patience);
}
