import type pg from 'pg';
import type { RunEventKind, RunEventRecord } from '../domain/events.ts';
import type { LogPoint, LogPosition } from './log-position.ts';
import { formatSnapshot, parseSnapshot } from './snapshot.ts';

/**
 * The SQL of the event log. Two orders matter here and differ: `id` has the order of `seq` within every run; commits become
 * visible in the order of snapshots. So readers ask "what did my last snapshot not see?" and sort the answer by id. Paging by
 * id alone loses what commits late; paging by (xid, id) breaks the order within a run and stops behind any idle transaction.
 *
 * Only the tail's statement is a named one. The others are planned at each call (0.2 ms for a page of hundreds of rows): a plan
 * that is kept from when the table was empty would scan the whole table once it has grown.
 */

type Client = pg.ClientBase | pg.Pool;

/** One event and the transaction that wrote it. */
export type LogEntry = { readonly xid: bigint; readonly event: RunEventRecord };

/** After this long a read is taken for lost: a connection whose other end vanished says nothing. */
const readTimeoutMs = 15_000;

const columns = `e.id, e.xid::text as xid, e.pipeline_run_id as "pipelineRunId", e.seq, e.at, e.kind, e.pipeline_uuid as "pipelineUuid",
  e.run_attempt as "runAttempt", e.block_run_id as "blockRunId", e.block_uuid as "blockUuid", e.attempt, e.from_status as "fromStatus",
  e.to_status as "toStatus", e.actor, e.reason_code as "reasonCode", e.reason_message as "reasonMessage"`;

type EventRow = RunEventRecord & { readonly xid: string };

/**
 * Readies a connection of the tail's own, for readTail. Without sequential and plain index scans only the bitmap of (xid, id) is
 * left to it, also in a plan made while the table was empty; so the plan can be kept. Nothing else must be read over it.
 */
export async function prepareTail(client: pg.ClientBase): Promise<void> {
  await client.query(
    `set enable_seqscan = off; set enable_indexscan = off; set plan_cache_mode = force_generic_plan; set jit = off`,
  );
}

/**
 * What became visible since `since`, by id, of these kinds (null: of every kind), and the position that has seen it. Rows and
 * snapshot are of one statement, so nothing can come between. With `limit` entries there may be more: finish with readPage up to the same position.
 *
 * Goes by the numbers of transactions alone, so it must be the same life of the database: after a crash, use readWindow.
 */
export async function readTail(
  client: pg.ClientBase,
  since: LogPosition,
  kinds: readonly RunEventKind[] | null,
  limit: number,
): Promise<{ readonly upTo: LogPosition; readonly entries: readonly LogEntry[] }> {
  // Without news there is one row, with the snapshot. The highest id is that of all kinds: what is passed over is seen too.
  const { rows } = await client.query<{ snapshot: string; maxId: bigint | null } & (EventRow | { id: null })>({
    name: 'tail-run-events',
    text: `with news as materialized (select * from run_event n where n.xid >= $1::xid8 or n.xid = any($2::xid8[]))
           select pg_current_snapshot()::text as snapshot, greatest((select max(id) from news), $4::bigint) as "maxId", ${columns}
             from (select 1) o
             left join news e on $5::run_event_kind[] is null or e.kind = any($5::run_event_kind[])
            order by e.id
            limit $3::int`,
    values: [since.snapshot.xmax, since.snapshot.xip, limit, since.maxId, kinds],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  const entries = rows.flatMap(({ snapshot: _snapshot, maxId: _maxId, ...row }) =>
    row.id === null ? [] : [toEntry(row)],
  );
  return { upTo: positionOf(rows[0]), entries };
}

type PositionRow = { readonly snapshot: string; readonly maxId: bigint | null };

const positionSql = `select pg_current_snapshot()::text as snapshot, (select max(id) from run_event) as "maxId"`;

/** The position of this moment: everything committed before the call is in it. */
export async function readPosition(client: Client): Promise<LogPosition> {
  const { rows } = await client.query<PositionRow>({
    text: positionSql,
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  return positionOf(rows[0]);
}

/** As readPosition, on a connection that is prepared for the tail: it must scan an index for once, or it reads the whole log. */
export async function readTailPosition(client: pg.ClientBase): Promise<LogPosition> {
  const results = (await client.query({
    text: `begin; set local enable_indexscan = on; ${positionSql}; commit`,
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig)) as unknown as readonly pg.QueryResult<PositionRow>[];
  return positionOf(results[2]?.rows[0]);
}

/** The position of this moment, and an id below which lies nothing that a reader at `seen` has not seen; null: it has seen all. */
export async function readWindow(
  client: Client,
  seen: LogPosition | null,
): Promise<{ readonly upTo: LogPosition; readonly startId: bigint | null }> {
  // `id + 0`: else min(id) walks the primary key from its beginning until it meets such an xid.
  const { rows } = await client.query<{ snapshot: string; maxId: bigint | null; startId: bigint | null }>({
    text: `select pg_current_snapshot()::text as snapshot, (select max(id) from run_event) as "maxId",
                  least((select min(id + 0) from run_event where xid >= $1::xid8),
                        (select min(id + 0) from run_event where xid = any($2::xid8[])),
                        (select min(id) from run_event where id > $3::bigint)) as "startId"`,
    values: [seen?.snapshot.xmax ?? 0n, seen?.snapshot.xip ?? [], seen?.maxId ?? 0n],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  return { upTo: positionOf(rows[0]), startId: rows[0]?.startId ?? null };
}

/**
 * The next entries, by id, of those in `page.upTo` that are not in `seen`, and the point that has seen them, whose page is null
 * after the last ones. Looks at `limit` rows, so there may be none and yet more to come. Holds no transaction between pages.
 */
export async function readPage(
  client: Client,
  { seen, page }: LogPoint & { readonly page: NonNullable<LogPoint['page']> },
  limit: number,
): Promise<{ readonly entries: readonly LogEntry[]; readonly next: LogPoint }> {
  // First the walk along the primary key, then the conditions: together they would be taken for so selective that all that is
  // left of the log is collected and sorted, at every page.
  const { rows } = await client.query<{ lastId: bigint | null; looked: number } & (EventRow | { id: null })>({
    text: `with looked as materialized (select * from run_event where id > $1::bigint order by id limit $2::int)
           select (select max(id) from looked) as "lastId", (select count(*)::int from looked) as looked, ${columns}
             from (select 1) o
             left join looked e on e.id <= $3::bigint and pg_visible_in_snapshot(e.xid, $4::pg_snapshot)
                    and not (e.id <= $5::bigint and coalesce(pg_visible_in_snapshot(e.xid, $6::pg_snapshot), false))
            order by e.id`,
    values: [
      page.lastId,
      limit,
      page.upTo.maxId,
      formatSnapshot(page.upTo.snapshot),
      seen?.maxId ?? 0n,
      seen && formatSnapshot(seen.snapshot),
    ],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  const entries = rows.flatMap(({ lastId: _lastId, looked: _looked, ...row }) =>
    row.id === null ? [] : [toEntry(row)],
  );
  const { lastId, looked } = rows[0] ?? { lastId: null, looked: 0 };
  const isLast = lastId === null || looked < limit || lastId >= page.upTo.maxId;
  return { entries, next: isLast ? { seen: page.upTo, page: null } : { seen, page: { ...page, lastId } } };
}

/** The next entries of one run. */
export async function readRunPage(
  client: Client,
  pipelineRunId: bigint,
  afterSeq: number,
  limit: number,
): Promise<readonly LogEntry[]> {
  const { rows } = await client.query<EventRow>({
    text: `select ${columns} from run_event e where e.pipeline_run_id = $1 and e.seq > $2 order by e.seq limit $3::int`,
    values: [pipelineRunId, afterSeq, limit],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  return rows.map(toEntry);
}

/** How much of one run's history a reader of all events has seen: the highest such seq, 0 for none. */
export async function readSeenSeq(client: Client, pipelineRunId: bigint, { seen, page }: LogPoint): Promise<number> {
  // A run's events become visible in their order, so what was seen is a beginning of them.
  const { rows } = await client.query<{ seq: number }>({
    text: `select e.seq from run_event e
            where e.pipeline_run_id = $1
              and (e.id <= $2::bigint and pg_visible_in_snapshot(e.xid, $3::pg_snapshot)
                or e.id <= $4::bigint and pg_visible_in_snapshot(e.xid, $5::pg_snapshot))
            order by e.seq desc limit 1`,
    values: [
      pipelineRunId,
      seen?.maxId ?? 0n,
      seen && formatSnapshot(seen.snapshot),
      page?.lastId ?? 0n,
      page && formatSnapshot(page.upTo.snapshot),
    ],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  return rows[0]?.seq ?? 0;
}

/** The first seq of a run that is kept (null: none is) and its newest (0: it has none). */
export async function readRunBounds(
  client: Client,
  pipelineRunId: bigint,
): Promise<{ readonly oldestSeq: number | null; readonly newestSeq: number }> {
  const { rows } = await client.query<{ oldestSeq: number | null; newestSeq: number }>({
    text: `select (select min(seq) from run_event where pipeline_run_id = $1) as "oldestSeq",
                  greatest((select event_seq from pipeline_run where id = $1),
                           (select max(seq) from run_event where pipeline_run_id = $1), 0) as "newestSeq"`,
    values: [pipelineRunId],
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  return rows[0] ?? { oldestSeq: null, newestSeq: 0 };
}

/** The oldest event that is kept (null: the log is empty) and the highest id that was ever given out. */
export async function readLogBounds(client: Client): Promise<{
  readonly oldest: { readonly id: bigint; readonly xid: bigint; readonly seq: number } | null;
  readonly newestId: bigint;
}> {
  const { rows } = await client.query<{ newestId: bigint; id: bigint | null; xid: string; seq: number }>({
    text: `select s.last_value as "newestId", e.id, e.xid::text as xid, e.seq
             from run_event_id_seq s
             left join lateral (select id, xid, seq from run_event order by id limit 1) e on true`,
    query_timeout: readTimeoutMs,
  } as pg.QueryConfig);
  const row = rows[0];
  const oldest = row?.id == null ? null : { id: row.id, xid: BigInt(row.xid), seq: row.seq };
  return { oldest, newestId: row?.newestId ?? 0n };
}

function toEntry({ xid, ...event }: EventRow): LogEntry {
  return { xid: BigInt(xid), event };
}

function positionOf(row: PositionRow | undefined): LogPosition {
  const snapshot = parseSnapshot(row?.snapshot ?? '');
  if (!snapshot) throw new Error(`Postgres answered with a snapshot that can't be read: ${row?.snapshot}`);
  return { snapshot, maxId: row?.maxId ?? 0n };
}
