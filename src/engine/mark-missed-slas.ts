import { noteSlaMissed, runsPastSla } from '../store/deadlines.ts';
import type { EngineContext } from './context.ts';

/**
 * Marks the runs that take longer than their SLA allows: once each, with an event, and no status changes. One that ended too late
 * while no scheduler was there to see it is marked all the same. Answers how many.
 */
export async function markMissedSlas(context: EngineContext): Promise<number> {
  const now = context.now();
  const late = await runsPastSla(context.database.pool, now);
  for (const { id, slaSeconds, hasEnded } of late) {
    const message = hasEnded
      ? `It ended later than the ${slaSeconds} s that its SLA allows.`
      : `It has not ended within the ${slaSeconds} s that its SLA allows.`;
    await context.database.transaction((client) => noteSlaMissed(client, id, message, now));
  }
  if (late.length > 0) context.wake('events');
  return late.length;
}
