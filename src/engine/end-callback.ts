import type { RunError } from '../domain/lifecycle.ts';
import { endCallback } from '../store/callback-runs.ts';
import type { EngineContext } from './context.ts';
import { settleRuns } from './settle-runs.ts';

export type EndCallbackInput = {
  readonly id: bigint;
  readonly runId: bigint;
  readonly fence: number;
  readonly workerId: bigint;
  /** What went wrong; null when nothing did. It is told, and changes no status. */
  readonly error: RunError | null;
};

/** Ends a callback run; with the last one, its run may end. A late or repeated answer changes nothing. */
export async function endCallbackRun(context: EngineContext, input: EndCallbackInput): Promise<void> {
  const left = await context.database.transaction((client) => endCallback(client, input, context.now()));
  if (left === null) return;
  if (input.error !== null) context.wake('events');
  if (left === 0) await settleRuns(context, [input.runId]);
}
