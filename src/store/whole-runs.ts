import type pg from 'pg';
import type { StatusReason } from '../domain/lifecycle.ts';
import type { RunOutline } from '../domain/whole-run.ts';

/** Runs that are changed as wholes, many by one statement. The changes themselves: prisma/functions/{cancel,retry}_whole_runs.sql. */

type Client = pg.ClientBase | pg.Pool;

/** Locks runs in the one order, ascending, all at once, and reads their own rows; those that don't exist are left out. */
export function lockRunOutlines(
  client: pg.ClientBase,
  runIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, RunOutline>> {
  return loadOutlines(client, runIds, 'lock-run-outlines', 'for no key update');
}

/** As `lockRunOutlines`, but nothing is locked: what it says may be over when it is read. */
export function readRunOutlines(client: Client, runIds: readonly bigint[]): Promise<ReadonlyMap<bigint, RunOutline>> {
  return loadOutlines(client, runIds, 'read-run-outlines', '');
}

async function loadOutlines(
  client: Client,
  runIds: readonly bigint[],
  name: string,
  lock: 'for no key update' | '',
): Promise<ReadonlyMap<bigint, RunOutline>> {
  const result = await client.query<RunOutline>({
    name,
    text: `select id, status, ending_status as "endingStatus", attempt, pipeline_uuid as "pipelineUuid", pipeline_version as version,
                  has_callbacks as "hasCallbacks", blocks_total as "blocksTotal", blocks_running as "blocksRunning",
                  blocks_completed as "blocksCompleted"
             from pipeline_run where id = any($1) order by id ${lock}`,
    values: [runIds],
  });
  return new Map(result.rows.map((run) => [run.id, run]));
}

/** Those of the runs that have a completed block run with an output in a file, which may have been removed. */
export async function runsWithStoredFiles(
  client: pg.ClientBase,
  runIds: readonly bigint[],
): Promise<ReadonlySet<bigint>> {
  if (runIds.length === 0) return new Set();
  const result = await client.query<{ run: bigint }>({
    name: 'runs-with-stored-files',
    text: `select distinct pipeline_run_id as run from block_run
            where pipeline_run_id = any($1) and status = 'completed' and outputs @? '$[*] ? (!exists(@.inline))'`,
    values: [runIds],
  });
  return new Set(result.rows.map((row) => row.run));
}

/** Cancels runs as wholes that `lockRunOutlines` locked in the same transaction (`isCancelledAsWhole`). */
export async function cancelWholeRuns(
  client: pg.ClientBase,
  runIds: readonly bigint[],
  { code, message, actor }: StatusReason,
  now: Date,
): Promise<void> {
  if (runIds.length === 0) return;
  await client.query({
    name: 'cancel-whole-runs',
    text: 'select cancel_whole_runs($1, $2, $3, $4, $5)',
    values: [runIds, code, message, actor, now],
  });
}

/** A run that is retried, and the version of its pipeline that it runs from now on. */
export type RetriedRun = { readonly id: bigint; readonly codeVersion: string };

/** Retries what is incomplete of runs that `lockRunOutlines` locked in the same transaction (`isRetriedAsWhole`); `why` as it was given. */
export async function retryWholeRuns(
  client: pg.ClientBase,
  runs: readonly RetriedRun[],
  { code, message, actor }: StatusReason,
  why: string | null,
  now: Date,
): Promise<void> {
  if (runs.length === 0) return;
  await client.query({
    name: 'retry-whole-runs',
    text: 'select retry_whole_runs($1, $2, $3, $4, $5, $6, $7)',
    values: [runs.map((run) => run.id), runs.map((run) => run.codeVersion), code, message, actor, why, now],
  });
}
