import pg from 'pg';
import { parseDatabaseUrl } from '../../../src/config.ts';
import { prepareDatabase } from '../../../src/store/migrate.ts';
import type { Figures } from '../benchmark.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { servePeer } from './serve-peer.ts';

/**
 * The bare limit of a cancel and a retry of many runs: two transactions on the very tables that ours live in, each with one UPDATE of the
 * runs, one of their block runs, and one INSERT … SELECT of the same events. Nothing is judged, nobody is answered, no attempt is
 * kept, and nobody else is let in between. `size` runs of `perRound` block runs.
 */
const fill = `
  select create_run(
    jsonb_build_object('pipeline_uuid', 'p', 'pipeline_version', 'v', 'tags', '{}'::text[], 'cause', 'api', 'execution_date', now(),
                       'variables', '{}'::jsonb, 'allow_blocks_to_fail', false),
    (select jsonb_agg(jsonb_build_object(
              'uuid', 'step_' || n, 'upstream', case when n = 1 then '[]'::jsonb else jsonb_build_array(n - 1) end,
              'downstream', case when n = $2 then '[]'::jsonb else jsonb_build_array(n + 1) end,
              'rule', 'all_success', 'label', 'default', 'crashRetries', 2) order by n)
       from generate_series(1, $2::int) n),
    now(), false)
  from generate_series(1, $1::int)`;

/** One event for what was asked, one for each block run, one for the run. */
const events = (asked: string, from: string, to: string) => `
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                         reason_code, reason_message)
  select * from (
    select r.id, r.event_seq - $1::int - 1, now(), '${asked}'::run_event_kind, r.pipeline_uuid, r.attempt, null::bigint, null, null::int, null, null,
           r.reason_code, r.reason_message from pipeline_run r
    union all
    select r.id, r.event_seq - $1::int - 1 + row_number() over (partition by r.id order by b.position)::int, now(), 'block_status_changed',
           r.pipeline_uuid, r.attempt, b.id, b.block_uuid, b.attempt, '${from}', '${to}', b.reason_code, b.reason_message
      from pipeline_run r join block_run b on b.pipeline_run_id = r.id
    union all
    select r.id, r.event_seq, now(), 'run_status_changed', r.pipeline_uuid, r.attempt, null, null, null, '${from}', '${to}', r.reason_code,
           r.reason_message from pipeline_run r) e
  order by 1, 2`;

async function start(settings: PeerSettings): Promise<Peer> {
  const { size, perRound: blocks } = settings;
  const connection = parseDatabaseUrl(settings.databaseUrl);
  await prepareDatabase(connection);
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(`insert into pipeline values ('p', 'p', null, 'python', '{}', 'v', '[]', true, null, now())`);
  await client.query(`insert into pipeline_version values ('p', 'v', '{}', now())`);
  await client.query(fill, [size, blocks]);
  await client.query('analyze');

  async function transaction(updates: readonly string[], insert: string): Promise<number> {
    const begun = performance.now();
    await client.query('begin');
    for (const update of updates) await client.query(update);
    const { rowCount } = await client.query(insert, [blocks]);
    await client.query('commit');
    if (rowCount !== size * (blocks + 2)) throw new Error(`${rowCount} events were written.`);
    return performance.now() - begun;
  }

  async function measure(): Promise<Figures> {
    const cancelledMs = await transaction(
      [
        `update pipeline_run set status = 'cancelled', reason_code = 'CANCELLED_BY_USER', reason_message = 'Cancelled by api.', completed_at = now(),
                cancel_requested_at = now(), event_seq = event_seq + ${blocks + 2}, blocks_initial = 0, blocks_cancelled = ${blocks}`,
        `update block_run set status = 'cancelled', reason_code = 'CANCELLED_BY_USER', reason_message = 'Cancelled by api.', completed_at = now()`,
      ],
      events('cancel_requested', 'initial', 'cancelled'),
    );
    const retriedMs = await transaction(
      [
        `update pipeline_run set status = 'initial', reason_code = null, reason_message = null, completed_at = null, cancel_requested_at = null,
                attempt = attempt + 1, event_seq = event_seq + ${blocks + 2}, blocks_initial = ${blocks}, blocks_cancelled = 0`,
        `update block_run set status = 'initial', reason_code = null, reason_message = null, completed_at = null`,
      ],
      events('run_retried', 'cancelled', 'initial'),
    );
    return { value: cancelledMs + retriedMs, operations: 2 * size, raw: { cancelledMs, retriedMs } };
  }

  await measure();
  return { measure, stop: () => client.end() };
}

await servePeer(start);
