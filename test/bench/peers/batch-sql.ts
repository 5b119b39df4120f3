import pg from 'pg';
import type { Figures } from '../benchmark.ts';
import type { Peer, PeerSettings } from './peer-protocol.ts';
import { servePeer } from './serve-peer.ts';

/**
 * The bare limit of a cancel and a retry of many runs: two transactions, each with one UPDATE of the runs, one of their block runs, and
 * one INSERT … SELECT of an event for each change. Nothing is judged, nobody is answered, nobody else is let in between. `size` runs of
 * `perRound` block runs; the tables have the columns and indexes that ours need for the same.
 */
const schema = `
  create table run (
    id bigint generated always as identity primary key,
    pipeline_uuid text not null default 'p',
    status text not null default 'initial',
    reason_code text,
    attempt integer not null default 1,
    event_seq integer not null default 1,
    created_at timestamptz not null default now(),
    completed_at timestamptz
  ) with (fillfactor = 50);
  create index on run (status, created_at desc, id desc);
  create table block (
    id bigint generated always as identity primary key,
    run_id bigint not null,
    uuid text not null,
    status text not null default 'initial',
    reason_code text,
    pending_upstream integer not null default 0,
    completed_at timestamptz,
    unique (run_id, uuid)
  ) with (fillfactor = 50);
  create table event (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    run_id bigint not null,
    seq integer not null,
    at timestamptz not null,
    kind text not null,
    pipeline_uuid text not null,
    run_attempt integer not null,
    block_run_id bigint,
    block_uuid text,
    from_status text,
    to_status text,
    reason_code text,
    unique (run_id, seq)
  );
  create index on event (xid, id)`;

const fill = `
  with made as (insert into run select from generate_series(1, $1::int) returning id)
  insert into block (run_id, uuid) select id, 'step_' || n from made, generate_series(1, $2::int) n`;

const events = (from: string, to: string) => `
  insert into event (run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, from_status, to_status, reason_code)
  select r.id, r.event_seq - $1::int + row_number() over (partition by r.id order by b.id), now(), 'block_status_changed', r.pipeline_uuid,
         r.attempt, b.id, b.uuid, '${from}', '${to}', b.reason_code
    from run r join block b on b.run_id = r.id
  union all
  select r.id, r.event_seq, now(), 'run_status_changed', r.pipeline_uuid, r.attempt, null, null, '${from}', '${to}', r.reason_code from run r`;

async function start(settings: PeerSettings): Promise<Peer> {
  const { size, perRound: blocks } = settings;
  const client = new pg.Client(settings.databaseUrl);
  await client.connect();
  await client.query(schema);
  await client.query(fill, [size, blocks]);
  await client.query('analyze');

  async function transaction(updates: readonly string[], insert: string): Promise<number> {
    const begun = performance.now();
    await client.query('begin');
    for (const update of updates) await client.query(update);
    const { rowCount } = await client.query(insert, [blocks + 1]);
    await client.query('commit');
    if (rowCount !== size * (blocks + 1)) throw new Error(`${rowCount} events were written.`);
    return performance.now() - begun;
  }

  async function measure(): Promise<Figures> {
    const cancelledMs = await transaction(
      [
        `update run set status = 'cancelled', reason_code = 'CANCELLED_BY_USER', completed_at = now(), event_seq = event_seq + ${blocks + 1}`,
        `update block set status = 'cancelled', reason_code = 'CANCELLED_BY_USER', completed_at = now()`,
      ],
      events('initial', 'cancelled'),
    );
    const retriedMs = await transaction(
      [
        `update run set status = 'initial', reason_code = null, completed_at = null, attempt = attempt + 1, event_seq = event_seq + ${blocks + 1}`,
        `update block set status = 'initial', reason_code = null, completed_at = null`,
      ],
      events('cancelled', 'initial'),
    );
    return { value: cancelledMs + retriedMs, operations: 2 * size, raw: { cancelledMs, retriedMs } };
  }

  await measure();
  return { measure, stop: () => client.end() };
}

await servePeer(start);
