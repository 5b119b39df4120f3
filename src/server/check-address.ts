import { once } from 'node:events';
import { createServer } from 'node:net';
import { isLoopback } from './hosts.ts';
import { explainListenFailure, openToTheWorld } from './listen-error.ts';

/**
 * Sees whether a server could listen there, before anything slow is begun for it. `startServer` says the same once more: somebody may take the
 * port in between. Throws ListenError.
 */
export async function checkAddress({
  host,
  port,
  hasTokens,
}: {
  readonly host: string;
  readonly port: number;
  readonly hasTokens: boolean;
}): Promise<void> {
  if (!hasTokens && !isLoopback(host)) throw openToTheWorld(host, port);
  const probe = createServer();
  try {
    probe.listen({ host, port });
    await once(probe, 'listening');
  } catch (error) {
    throw explainListenFailure(error as NodeJS.ErrnoException, host, port);
  }
  probe.close();
  await once(probe, 'close');
}
