import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockArguments } from 'penstock/block';

/** Counts down once a second. When the run is cancelled, `signal` ends the sleep at once. */
export default async function countDown({ variables, logger, signal }: BlockArguments): Promise<string> {
  for (let left = Number(variables.seconds); left > 0; left--) {
    logger.info(`${left} …`);
    await sleep(1000, undefined, { signal });
  }
  return 'zero';
}
