import { Logger, run } from 'graphile-worker';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { measureChains } from './repeat.ts';
import { servePeer } from './serve-peer.ts';

/**
 * The bare chain: each handler does nothing but `addJob` the next step. Three commits a step: graphile-worker locks the job
 * (it runs), the handler adds the next (it is done), graphile-worker deletes the job. No state, events or logs of its own.
 *
 * Its defaults are what makes a chain fast: LISTEN/NOTIFY, prepared statements, its own pool. More concurrency, a local
 * queue and batched completion, which its documentation recommends for throughput, made a chain no faster when tried.
 */
async function start(settings: PeerSettings): Promise<Peer> {
  let arrived = () => {};
  const runner = await run({
    preset: { worker: { connectionString: settings.databaseUrl } },
    logger: new Logger(() => () => {}),
    noHandleSignals: true,
    taskList: {
      step: async (payload, helpers) => {
        const { step } = payload as { readonly step: number };
        if (step === settings.size) arrived();
        else await helpers.addJob('step', { step: step + 1 });
      },
    },
  });
  const runChain = async () => {
    const end = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await runner.addJob('step', { step: 1 });
    await end;
  };
  await measureChains(settings.warmUps, settings.size, runChain);
  return {
    measure: () => measureChains(settings.perRound, settings.size, runChain),
    stop: () => runner.stop(),
  };
}

await servePeer(start);
