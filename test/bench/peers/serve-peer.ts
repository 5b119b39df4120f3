import type { Peer, PeerReply, PeerRequest, PeerSettings } from './peer-protocol.ts';

/** Runs this process as a peer until the benchmark says stop or is gone. `start` returns when the peer is warm. */
export async function servePeer(start: (settings: PeerSettings) => Promise<Peer>): Promise<void> {
  try {
    const peer = await start(JSON.parse(process.argv[2]!) as PeerSettings);
    const leave = () => peer.stop().finally(() => process.exit());
    process.on('disconnect', leave);
    process.on('message', (request: PeerRequest) => {
      if (request === 'stop') void leave();
      else peer.measure().then((figures) => reply({ kind: 'measured', figures }), replyFailure);
    });
    reply({ kind: 'ready' });
  } catch (error) {
    replyFailure(error);
  }
}

function reply(message: PeerReply): void {
  process.send?.(message);
}

function replyFailure(error: unknown): void {
  reply({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
