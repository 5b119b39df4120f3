import { noteSlaMissed, runsPastSla } from '../store/deadlines.ts';
import type { EngineContext } from './context.ts';

/** Marks the runs that take longer than their SLA allows: once each, with an event, and no status changes. Answers how many. */
export async function markMissedSlas(context: EngineContext): Promise<number> {
  const now = context.now();
  const late = await runsPastSla(context.database.pool, now);
  for (const { id, slaSeconds } of late) {
    const message = `It has not ended within the ${slaSeconds} s that its SLA allows.`;
    await context.database.transaction((client) => noteSlaMissed(client, id, message, now));
  }
  if (late.length > 0) context.wake('events');
  return late.length;
}
