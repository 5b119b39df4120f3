import type pg from 'pg';
import { type RawRow, runHotStatement } from './hot-statement.ts';
import type { Claim, Finish } from './step.ts';

const statement = {
  name: 'complete_and_follow',
  text: 'select * from complete_and_follow($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)',
} as const;

/**
 * Reports the completion of an attempt and claims the one block run that waited for nothing else, in one round trip and one commit (the SQL
 * function `complete_and_follow`): what a chain of blocks consists of. `claim` is the one that has completed. Null when this
 * is no such case; then nothing has changed and `step` has to report it. As safe to repeat as `step`: a completion that is already
 * recorded answers null. `early` gets the claim before it is committed, to make it ready; it must not run before the promise settles with it.
 */
export async function completeAndFollow(
  client: pg.ClientBase,
  workerId: bigint,
  label: string,
  finish: Finish,
  claim: Claim,
  now: Date,
  early?: (claims: readonly Claim[]) => void,
): Promise<Claim | null> {
  let next: Claim | null = null;
  const values = [
    String(workerId),
    label,
    now.toISOString(),
    String(finish.blockRunId),
    String(finish.pipelineRunId),
    String(finish.fence),
    textOf(finish.cpuTimeMs),
    textOf(finish.maxRssBytes),
    textOf(finish.pid),
    finish.outputs.length > 0 ? JSON.stringify(finish.outputs) : null,
    finish.tests.length > 0 ? JSON.stringify(finish.tests) : null,
    String(finish.droppedLines),
  ];
  const rows = await runHotStatement(client, statement, values, (row) => {
    next = claimOf(row, claim);
    early?.([next]);
  });
  return rows.length === 0 ? null : next;
}

/** The block run that follows `before`, in the same run. */
function claimOf(row: RawRow, before: Claim): Claim {
  const [id, uuid, fence, attempt, retries, timeoutSeconds, upstreamUuid, upstreamOutputs] = row;
  return {
    id: Number(id),
    run: before.run,
    uuid: uuid ?? '',
    fence: Number(fence),
    attempt: Number(attempt),
    retries: Number(retries),
    runAttempt: before.runAttempt,
    pipeline: before.pipeline,
    version: before.version,
    timeoutSeconds: timeoutSeconds == null ? null : Number(timeoutSeconds),
    inputs: [
      {
        uuid: upstreamUuid ?? '',
        status: 'completed',
        outputs: upstreamOutputs == null ? null : JSON.parse(upstreamOutputs),
      },
    ],
  };
}

function textOf(value: number | null): string | null {
  return value === null ? null : String(value);
}
