import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PgBoss } from 'pg-boss';
import type { Figures } from '../benchmark.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { servePeer } from './serve-peer.ts';

/**
 * pg-boss with the shortest heartbeat that it takes, 10 s, looked after every second: worker processes with two jobs each, one of
 * them killed at a time. `size` is the number of workers, `perRound` how many are killed in a round. The jobs of a killed one are
 * timed from the kill until each runs in another process.
 */
const queue = 'sleep';
const jobSeconds = 3;
const worker = fileURLToPath(new URL('./pg-boss-worker.ts', import.meta.url));

type Word = { readonly began: string } | { readonly ended: string };

async function start(settings: PeerSettings): Promise<Peer> {
  const boss = new PgBoss({
    connectionString: settings.databaseUrl,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
  });
  boss.on('error', () => {});
  await boss.start();
  await boss.createQueue(queue, { heartbeatSeconds: 10, retryLimit: 100, retryDelay: 0 });

  const workers = new Map<ChildProcess, Set<string>>();
  const waiting = new Map<string, () => void>();
  let open = true;
  const hire = () => {
    const child = fork(worker, [settings.databaseUrl, queue, String(jobSeconds)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const jobs = new Set<string>();
    workers.set(child, jobs);
    child.on('message', (word: Word) => {
      if ('began' in word) {
        jobs.add(word.began);
        waiting.get(word.began)?.();
      } else {
        jobs.delete(word.ended);
        if (open) void boss.send(queue, {});
      }
    });
  };
  for (let i = 0; i < settings.size; i++) hire();
  // Half of the places are taken, so that a job which is free again finds one.
  for (let i = 0; i < settings.size; i++) await boss.send(queue, {});

  async function killOne(): Promise<readonly number[]> {
    const victim = await busyOne();
    const jobs = [...(workers.get(victim) ?? [])];
    workers.delete(victim);
    victim.kill('SIGKILL');
    const killedAt = performance.now();
    const again = jobs.map(async (job) => {
      await new Promise<void>((resolve) => waiting.set(job, resolve));
      waiting.delete(job);
      return performance.now() - killedAt;
    });
    hire();
    return Promise.all(again);
  }

  async function busyOne(): Promise<ChildProcess> {
    for (;;) {
      const busy = [...workers].find(([, jobs]) => jobs.size > 0);
      if (busy) return busy[0];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  return {
    measure: async (): Promise<Figures> => {
      const times: number[] = [];
      for (let i = 0; i < settings.perRound; i++) times.push(...(await killOne()));
      return { value: Math.max(...times), operations: times.length, raw: { killedMs: times } };
    },
    stop: async () => {
      open = false;
      for (const child of workers.keys()) child.kill('SIGKILL');
      await boss.stop({ graceful: false });
    },
  };
}

await servePeer(start);
