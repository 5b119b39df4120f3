import type pg from 'pg';
import type { ConnectionSettings } from '../../src/store/connection.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';

/** An event log to write to as the engine does, and to compare with. */
export type TestLog = {
  readonly database: Database;
  /** Makes runs without events; returns their ids. */
  readonly createRuns: (count: number) => Promise<readonly bigint[]>;
  /** Appends events to a run in a transaction of its own. */
  readonly append: (pipelineRunId: bigint, count: number) => Promise<void>;
  /** `run:seq` of every event that is kept, by run and seq. */
  readonly contents: () => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
};

export async function openTestLog(connection: ConnectionSettings, poolSize = 25): Promise<TestLog> {
  const database = openDatabase(connection, { poolSize });
  await database.pool.query(`insert into pipeline (uuid, name, type, version, problems, is_runnable, updated_at)
                             values ('flow', 'flow', 'python', 'v', '[]', true, now()) on conflict do nothing`);
  await database.pool.query(`insert into pipeline_version (pipeline_uuid, version, definition, created_at)
                             values ('flow', 'v', '{}', now()) on conflict do nothing`);
  return {
    database,
    async createRuns(count) {
      const { rows } = await database.pool.query<{ id: bigint }>(
        `insert into pipeline_run (pipeline_uuid, pipeline_version, code_version, cause, execution_date, variables, blocks_total,
                                   blocks_initial, created_at, attempt_created_at)
         select 'flow', 'v', 'v', 'manual', now(), '{}', 0, 0, now(), now() from generate_series(1, $1::int) returning id`,
        [count],
      );
      return rows.map(({ id }) => id);
    },
    append: (pipelineRunId, count) => database.transaction((client) => appendEvents(client, pipelineRunId, count)),
    async contents() {
      const { rows } = await database.pool.query<{ key: string }>(
        `select pipeline_run_id || ':' || seq as key from run_event order by pipeline_run_id, seq`,
      );
      return rows.map(({ key }) => key);
    },
    close: database.close,
  };
}

/** What the engine's functions do: take the run's row, count its seq up, and write the events in their order. */
export async function appendEvents(client: pg.ClientBase, pipelineRunId: bigint, count: number): Promise<void> {
  await client.query('select id from pipeline_run where id = $1 for no key update', [pipelineRunId]);
  await client.query(
    `with moved as (update pipeline_run set event_seq = event_seq + $2::int where id = $1 returning event_seq - $2::int as base)
     insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
     select $1, moved.base + n, now(), 'block_status_changed', 'flow', 1, n, 'block_' || n, 1, 'queued', 'running'
       from moved, generate_series(1, $2::int) n order by n`,
    [pipelineRunId, count],
  );
}
