import type pg from 'pg';
import { isTerminalRun } from '../domain/lifecycle.ts';
import { type Answer, done, refused } from '../domain/refusal.ts';
import { type DeletableRun, deleteRuns, lockRunsToDelete } from '../store/delete-runs.ts';
import type { EngineContext } from './context.ts';
import { noSuchRun } from './decided-run.ts';

/**
 * Deletes runs that have ended, of many different ones within the caller's transaction; one answer each, in order. Their history stays
 * until it is pruned, and so do the ticks that made them: deleting a run never makes a tick due. The caller wakes.
 */
export async function deletePipelineRuns(
  context: EngineContext,
  client: pg.ClientBase,
  runIds: readonly bigint[],
  { reason, actor }: { readonly reason: string | null; readonly actor: string },
): Promise<readonly Answer<{ readonly runId: bigint }>[]> {
  const runs = await lockRunsToDelete(client, runIds);
  const answers = runIds.map((runId) => decideDelete(runId, runs.get(runId)));
  const goners = answers.flatMap((answer) => (answer.ok ? [runs.get(answer.value.runId)!] : []));
  const message = reason ? `Deleted by ${actor}: ${reason}` : `Deleted by ${actor}.`;
  await deleteRuns(client, goners, { actor, message }, context.now());
  return answers;
}

/** Whether the run may be deleted, without doing it. */
export function decideDelete(
  runId: bigint,
  run: Pick<DeletableRun, 'status'> | undefined,
): Answer<{ readonly runId: bigint }> {
  if (!run) return noSuchRun(runId);
  if (isTerminalRun(run.status)) return done({ runId });
  return refused({
    code: 'INVALID_STATE',
    currentStatus: run.status,
    message: `The run is ${run.status}. Only a run that has ended can be deleted; cancel it first, or wait.`,
  });
}
