import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import {
  type AttemptRecord,
  type BlockRecord,
  type CallbackRecord,
  type EventRecord,
  type Evidence,
  parseJournal,
  type RunRecord,
} from './evidence.ts';

/** Gathers what the checker needs, when nothing moves any more. Ids are far below 2^53. */
export async function readEvidence(settings: ConnectionSettings, journal: string): Promise<Evidence> {
  const client = new pg.Client(settings);
  await client.connect();
  try {
    const rows = async <Row extends object>(text: string) => (await client.query<Row>(text)).rows;
    return {
      journal: parseJournal(await readFile(journal, 'utf8').catch(() => '')),
      runs: await rows<RunRecord>(
        `select id::float8 as id, status, event_seq as "eventSeq", completed_at is not null as "isDated", reason_code as "reasonCode",
                json_build_object('initial', blocks_initial, 'queued', blocks_queued, 'running', blocks_running,
                  'completed', blocks_completed, 'failed', blocks_failed, 'cancelled', blocks_cancelled,
                  'upstream_failed', blocks_upstream_failed, 'condition_failed', blocks_condition_failed) as counts
           from pipeline_run order by id`,
      ),
      blocks: await rows<BlockRecord>(
        `select id::float8 as id, pipeline_run_id::float8 as "runId", block_uuid as uuid, status, upstream::float8[] as upstream, attempt,
                started_at is not null as "hasStarted", callbacks
           from block_run order by id`,
      ),
      callbacks: await rows<CallbackRecord>(
        `select c.pipeline_run_id::float8 as "runId", c.block_run_id::float8 as "blockRunId", c.attempt, c.callback_uuid as uuid, c.kind, c.status,
                coalesce(c.completed_at > a.completed_at, false) as "outlivesRun"
           from callback_run c join pipeline_run_attempt a on a.pipeline_run_id = c.pipeline_run_id and a.number = c.run_attempt order by c.id`,
      ),
      attempts: await rows<AttemptRecord>(
        `select block_run_id::float8 as "blockRunId", number, run_attempt as "runAttempt", fence, status
           from block_attempt order by block_run_id, number`,
      ),
      events: await rows<EventRecord>(
        `select pipeline_run_id::float8 as "runId", seq, kind, run_attempt as "runAttempt", block_run_id::float8 as "blockRunId",
                attempt, from_status as "from", to_status as "to"
           from run_event order by id`,
      ),
    };
  } finally {
    await client.end();
  }
}
