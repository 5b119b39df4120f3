import type pg from 'pg';
import { completeAndFollow } from '../store/complete-and-follow.ts';
import { type Claim, type Finish, step } from '../store/step.ts';

/** No worker claims by this label, and no worker has this id. */
const nobodysLabel = 'rehearsal';
const nobodysId = 0n;

/**
 * Walks a run of three blocks from its creation to its end over this connection and takes it all back. Postgres compiles functions and
 * plans statements once per connection, 15 ms in all: without this the first run to come would wait for them. Does nothing
 * where there is no pipeline yet.
 */
export async function rehearse(client: pg.ClientBase, now: Date): Promise<void> {
  await client.query('begin');
  try {
    const created = await client.query<{ id: bigint }>({
      name: 'rehearse-run',
      text: `select create_run(jsonb_build_object(
                      'pipeline_uuid', v.pipeline_uuid, 'pipeline_version', v.version, 'tags', '{}'::text[], 'cause', 'manual',
                      'execution_date', $1::timestamptz, 'variables', '{}'::jsonb, 'allow_blocks_to_fail', false), $2::jsonb, $1, true) as id
               from (select pipeline_uuid, version from pipeline_version limit 1) v`,
      values: [now, JSON.stringify([block('a', [], [2]), block('b', [1], [3]), block('c', [2], [])])],
    });
    if (created.rows.length === 0) return;
    const { claims } = await step(client, nobodysId, nobodysLabel, 1, true, [], now);
    let claim = claims[0] ?? null;
    // One link the short way, the rest the way of all others.
    if (claim) claim = await completeAndFollow(client, nobodysId, nobodysLabel, completionOf(claim), claim, now);
    while (claim) {
      const next = await step(client, nobodysId, nobodysLabel, 1, true, [completionOf(claim)], now);
      claim = next.claims[0] ?? null;
    }
  } finally {
    await client.query('rollback');
  }
}

function block(uuid: string, upstream: readonly number[], downstream: readonly number[]) {
  return {
    uuid,
    upstream,
    downstream,
    rule: 'all_success',
    label: nobodysLabel,
    crashRetries: 0,
    timeoutSeconds: null,
  };
}

function completionOf(claim: Claim): Finish {
  return {
    blockRunId: claim.id,
    pipelineRunId: claim.run,
    attempt: claim.attempt,
    fence: claim.fence,
    outcome: 'completed',
    code: 'SUCCEEDED',
    message: 'It completed.',
    error: null,
    outputs: [],
    tests: [],
    cpuTimeMs: null,
    maxRssBytes: null,
    droppedLines: 0,
    pid: null,
    retryAt: null,
  };
}
