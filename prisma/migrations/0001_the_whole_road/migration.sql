-- Part 1: every table of the whole road, and the functions that move runs along it.
-- Applied by src/store/migrate.ts; prisma/schema.prisma says the same of the tables, and a test holds them together.

-- CreateEnum
CREATE TYPE "pipeline_run_status" AS ENUM ('initial', 'running', 'completed', 'failed', 'cancelled');

-- CreateEnum
CREATE TYPE "block_run_status" AS ENUM ('initial', 'queued', 'running', 'completed', 'failed', 'cancelled', 'upstream_failed', 'condition_failed');

-- CreateEnum
CREATE TYPE "run_cause" AS ENUM ('schedule', 'manual', 'api', 'webhook', 'event', 'backfill', 'parent', 'retry');

-- CreateEnum
CREATE TYPE "retry_mode" AS ENUM ('incomplete', 'from_block', 'all');

-- CreateEnum
CREATE TYPE "trigger_rule" AS ENUM ('all_success', 'none_failed', 'all_done', 'one_success');

-- CreateEnum
CREATE TYPE "run_event_kind" AS ENUM ('run_created', 'run_status_changed', 'block_status_changed', 'block_retry_scheduled', 'block_worker_lost', 'run_retried', 'cancel_requested', 'blocker_changed', 'sla_missed', 'timed_out', 'variables_changed', 'callback_failed', 'alert_sent', 'alert_failed', 'run_deleted');

-- CreateEnum
CREATE TYPE "log_level" AS ENUM ('debug', 'info', 'warning', 'error');

-- CreateEnum
CREATE TYPE "log_stream" AS ENUM ('stdout', 'stderr', 'logger', 'system');

-- CreateEnum
CREATE TYPE "trigger_type" AS ENUM ('time', 'api', 'event');

-- CreateEnum
CREATE TYPE "trigger_status" AS ENUM ('active', 'inactive');

-- CreateEnum
CREATE TYPE "tick_outcome" AS ENUM ('fired', 'skipped_overlap', 'skipped_missed', 'caught_up', 'failed');

-- CreateTable
CREATE TABLE "pipeline" (
    "uuid" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "type" TEXT NOT NULL,
    "tags" TEXT[],
    "version" TEXT NOT NULL,
    "problems" JSONB NOT NULL,
    "is_runnable" BOOLEAN NOT NULL,
    "removed_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "pipeline_pkey" PRIMARY KEY ("uuid")
);

-- CreateTable
CREATE TABLE "pipeline_version" (
    "pipeline_uuid" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "pipeline_version_pkey" PRIMARY KEY ("pipeline_uuid","version")
);

-- CreateTable
CREATE TABLE "trigger" (
    "id" BIGSERIAL NOT NULL,
    "pipeline_uuid" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "type" "trigger_type" NOT NULL,
    "status" "trigger_status" NOT NULL,
    "schedule_interval" TEXT,
    "timezone" TEXT NOT NULL DEFAULT 'UTC',
    "start_time" TIMESTAMPTZ(3),
    "variables" JSONB NOT NULL DEFAULT '{}',
    "settings" JSONB NOT NULL DEFAULT '{}',
    "managed_by_code" BOOLEAN NOT NULL,
    "code_status" "trigger_status",
    "problems" JSONB NOT NULL DEFAULT '[]',
    "last_enabled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "trigger_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trigger_tick" (
    "id" BIGSERIAL NOT NULL,
    "trigger_id" BIGINT NOT NULL,
    "key" TEXT NOT NULL,
    "scheduled_for" TIMESTAMPTZ(3) NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "outcome" "tick_outcome" NOT NULL,
    "message" TEXT,
    "count" INTEGER NOT NULL DEFAULT 1,
    "last_scheduled_for" TIMESTAMPTZ(3) NOT NULL,
    "pipeline_run_id" BIGINT,

    CONSTRAINT "trigger_tick_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "pipeline_run" (
    "id" BIGSERIAL NOT NULL,
    "pipeline_uuid" TEXT NOT NULL,
    "pipeline_version" TEXT NOT NULL,
    "code_version" TEXT NOT NULL,
    "tags" TEXT[],
    "trigger_id" BIGINT,
    "trigger_name" TEXT,
    "retry_of_id" BIGINT,
    "root_run_id" BIGINT,
    "is_newest" BOOLEAN NOT NULL DEFAULT true,
    "status" "pipeline_run_status" NOT NULL DEFAULT 'initial',
    "ending_status" "pipeline_run_status",
    "reason_code" TEXT,
    "reason_message" TEXT,
    "reason_actor" TEXT,
    "cause" "run_cause" NOT NULL,
    "created_by" TEXT,
    "execution_date" TIMESTAMPTZ(3) NOT NULL,
    "variables" JSONB NOT NULL,
    "event_variables" JSONB,
    "allow_blocks_to_fail" BOOLEAN NOT NULL DEFAULT false,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "event_seq" INTEGER NOT NULL DEFAULT 0,
    "needs_settling" BOOLEAN NOT NULL DEFAULT false,
    "blocks_total" INTEGER NOT NULL,
    "blocks_initial" INTEGER NOT NULL,
    "blocks_queued" INTEGER NOT NULL DEFAULT 0,
    "blocks_running" INTEGER NOT NULL DEFAULT 0,
    "blocks_completed" INTEGER NOT NULL DEFAULT 0,
    "blocks_failed" INTEGER NOT NULL DEFAULT 0,
    "blocks_cancelled" INTEGER NOT NULL DEFAULT 0,
    "blocks_upstream_failed" INTEGER NOT NULL DEFAULT 0,
    "blocks_condition_failed" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "attempt_created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "cancel_requested_at" TIMESTAMPTZ(3),
    "timeout_seconds" DOUBLE PRECISION,
    "timeout_status" TEXT,
    "timeout_at" TIMESTAMPTZ(3),
    "timed_out" BOOLEAN NOT NULL DEFAULT false,
    "sla_seconds" DOUBLE PRECISION,
    "sla_deadline" TIMESTAMPTZ(3),
    "passed_sla" BOOLEAN NOT NULL DEFAULT false,
    "idempotency_key" TEXT,
    "idempotency_hash" TEXT,
    "error" JSONB,

    CONSTRAINT "pipeline_run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "pipeline_run_attempt" (
    "pipeline_run_id" BIGINT NOT NULL,
    "number" INTEGER NOT NULL,
    "mode" "retry_mode",
    "from_block" TEXT,
    "actor" TEXT,
    "reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "status" "pipeline_run_status" NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "reason_actor" TEXT,

    CONSTRAINT "pipeline_run_attempt_pkey" PRIMARY KEY ("pipeline_run_id","number")
);

-- CreateTable
CREATE TABLE "block_run" (
    "id" BIGSERIAL NOT NULL,
    "pipeline_run_id" BIGINT NOT NULL,
    "block_uuid" TEXT NOT NULL,
    "dynamic_index" INTEGER NOT NULL DEFAULT 0,
    "position" INTEGER NOT NULL,
    "status" "block_run_status" NOT NULL DEFAULT 'initial',
    "reason_code" TEXT,
    "reason_message" TEXT,
    "reason_actor" TEXT,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "worker_id" BIGINT,
    "pid" INTEGER,
    "pending_upstream" INTEGER NOT NULL,
    "upstream" BIGINT[],
    "downstream" BIGINT[],
    "trigger_rule" "trigger_rule" NOT NULL DEFAULT 'all_success',
    "label" TEXT NOT NULL DEFAULT 'default',
    "losses" INTEGER NOT NULL DEFAULT 0,
    "crash_retries" INTEGER NOT NULL DEFAULT 2,
    "retries" INTEGER NOT NULL DEFAULT 0,
    "stop_requested" BOOLEAN NOT NULL DEFAULT false,
    "next_attempt_at" TIMESTAMPTZ(3),
    "timeout_seconds" DOUBLE PRECISION,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "queued_at" TIMESTAMPTZ(3),
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "error" JSONB,
    "outputs" JSONB,

    CONSTRAINT "block_run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "block_attempt" (
    "block_run_id" BIGINT NOT NULL,
    "number" INTEGER NOT NULL,
    "pipeline_run_id" BIGINT NOT NULL,
    "run_attempt" INTEGER NOT NULL,
    "fence" INTEGER NOT NULL,
    "status" "block_run_status" NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "worker_id" BIGINT NOT NULL,
    "pid" INTEGER,
    "queued_at" TIMESTAMPTZ(3),
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "completed_at" TIMESTAMPTZ(3),
    "error" JSONB,
    "cpu_time_ms" DOUBLE PRECISION,
    "max_rss_bytes" DOUBLE PRECISION,
    "outputs" JSONB,
    "tests" JSONB,
    "dropped_lines" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "block_attempt_pkey" PRIMARY KEY ("block_run_id","number")
);

-- CreateTable
CREATE TABLE "run_event" (
    "id" BIGSERIAL NOT NULL,
    "xid" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "pipeline_run_id" BIGINT NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "kind" "run_event_kind" NOT NULL,
    "pipeline_uuid" TEXT NOT NULL,
    "run_attempt" INTEGER NOT NULL,
    "block_run_id" BIGINT,
    "block_uuid" TEXT,
    "attempt" INTEGER,
    "from_status" TEXT,
    "to_status" TEXT,
    "actor" TEXT,
    "reason_code" TEXT,
    "reason_message" TEXT,

    CONSTRAINT "run_event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ready" (
    "id" BIGSERIAL NOT NULL,
    "block_run_id" BIGINT NOT NULL,
    "run_id" BIGINT NOT NULL,
    "label" TEXT NOT NULL,
    "prio" INTEGER NOT NULL,
    "run_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ready_pkey" PRIMARY KEY ("label","prio","id")
);

-- CreateTable
CREATE TABLE "log_line" (
    "id" BIGSERIAL NOT NULL,
    "xid" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "at" TIMESTAMPTZ(3) NOT NULL,
    "level" "log_level" NOT NULL,
    "stream" "log_stream" NOT NULL,
    "message" TEXT NOT NULL,
    "pipeline_run_id" BIGINT NOT NULL,
    "block_run_id" BIGINT,
    "block_uuid" TEXT,
    "attempt" INTEGER,

    CONSTRAINT "log_line_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "worker" (
    "id" BIGSERIAL NOT NULL,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "labels" TEXT[],
    "slots" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "worker_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "worker_beat" (
    "worker_id" BIGINT NOT NULL,
    "counter" BIGINT NOT NULL,
    "busy" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "worker_beat_pkey" PRIMARY KEY ("worker_id")
);

-- CreateTable
CREATE TABLE "installation" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "system_identifier" TEXT NOT NULL,
    "timeline" INTEGER NOT NULL,
    "epoch" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "installation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "trigger_pipeline_uuid_name_key" ON "trigger"("pipeline_uuid", "name");

-- CreateIndex
CREATE UNIQUE INDEX "trigger_tick_trigger_id_key_key" ON "trigger_tick"("trigger_id", "key");

-- CreateIndex
CREATE INDEX "pipeline_run_created_at_id_idx" ON "pipeline_run"("created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "pipeline_run_pipeline_uuid_created_at_id_idx" ON "pipeline_run"("pipeline_uuid", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "pipeline_run_status_created_at_id_idx" ON "pipeline_run"("status", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "pipeline_run_retry_of_id_idx" ON "pipeline_run"("retry_of_id");

-- CreateIndex
CREATE INDEX "pipeline_run_trigger_id_execution_date_idx" ON "pipeline_run"("trigger_id", "execution_date");

-- CreateIndex
CREATE UNIQUE INDEX "pipeline_run_pipeline_uuid_idempotency_key_key" ON "pipeline_run"("pipeline_uuid", "idempotency_key");

-- CreateIndex
CREATE UNIQUE INDEX "block_run_pipeline_run_id_block_uuid_dynamic_index_key" ON "block_run"("pipeline_run_id", "block_uuid", "dynamic_index");

-- CreateIndex
CREATE INDEX "run_event_xid_id_idx" ON "run_event"("xid", "id");

-- CreateIndex
CREATE UNIQUE INDEX "run_event_pipeline_run_id_seq_key" ON "run_event"("pipeline_run_id", "seq");

-- CreateIndex
CREATE INDEX "log_line_pipeline_run_id_id_idx" ON "log_line"("pipeline_run_id", "id");

-- CreateIndex
CREATE INDEX "log_line_block_run_id_id_idx" ON "log_line"("block_run_id", "id");

-- AddForeignKey
ALTER TABLE "pipeline_version" ADD CONSTRAINT "pipeline_version_pipeline_uuid_fkey" FOREIGN KEY ("pipeline_uuid") REFERENCES "pipeline"("uuid") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trigger" ADD CONSTRAINT "trigger_pipeline_uuid_fkey" FOREIGN KEY ("pipeline_uuid") REFERENCES "pipeline"("uuid") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trigger_tick" ADD CONSTRAINT "trigger_tick_trigger_id_fkey" FOREIGN KEY ("trigger_id") REFERENCES "trigger"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pipeline_run" ADD CONSTRAINT "pipeline_run_pipeline_uuid_pipeline_version_fkey" FOREIGN KEY ("pipeline_uuid", "pipeline_version") REFERENCES "pipeline_version"("pipeline_uuid", "version") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pipeline_run" ADD CONSTRAINT "pipeline_run_retry_of_id_fkey" FOREIGN KEY ("retry_of_id") REFERENCES "pipeline_run"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "pipeline_run_attempt" ADD CONSTRAINT "pipeline_run_attempt_pipeline_run_id_fkey" FOREIGN KEY ("pipeline_run_id") REFERENCES "pipeline_run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "block_run" ADD CONSTRAINT "block_run_pipeline_run_id_fkey" FOREIGN KEY ("pipeline_run_id") REFERENCES "pipeline_run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ── what Prisma's schema language can't say ──────────────────────────────────────────────────────────────

-- A counter that only matters while everything lives: it is never worth a write to the log.
alter table "worker_beat" set unlogged;

-- Block runs change status a few times and keep their indexed columns: leave room on the page, so that every
-- change is a heap-only update. (For the same reason no index of block_run names status, not even a partial one.)
alter table "block_run" set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
alter table "block_attempt" set (fillfactor = 70);
alter table "pipeline_run" set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
-- Rows of the queue live for milliseconds.
alter table "ready" set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
                         autovacuum_vacuum_insert_threshold = -1);

-- The few runs that somebody has to look at.
create index "pipeline_run_active_idx" on "pipeline_run" ("pipeline_uuid", "execution_date", "id")
  where "status" in ('initial', 'running');
create index "pipeline_run_unsettled_idx" on "pipeline_run" ("id") where "needs_settling";
create index "pipeline_run_deadline_idx" on "pipeline_run" ("timeout_at") where "timeout_at" is not null and "status" = 'running';
create index "pipeline_run_tags_idx" on "pipeline_run" using gin ("tags");
create index "worker_alive_idx" on "worker" ("id") where "ended_at" is null;

-- ── how runs move ────────────────────────────────────────────────────────────────────────────────────────
-- Lock order, always: ready rows (skip locked, never waited for) → run rows, ascending, all at once → block runs and
-- attempts → events. The functions below are the only statements that write a status.
-- Every table is reached by `= any($array)` on an index, never by joining a CTE or unnest to it alone: a table that was
-- empty at ANALYZE would otherwise be scanned. Their plans are generic (plan_cache_mode), because re-planning array
-- parameters at every call doubles the cost of a step.

-- Creates a run with its block runs, its first attempt and its first event. Returns null when another run of the pipeline
-- holds the idempotency key. p_blocks: [{uuid, upstream: [place …], downstream: [place …], rule, label, crashRetries,
-- timeoutSeconds}], places counted from 1 in the order of the array.
create function create_run(p_run jsonb, p_blocks jsonb, p_now timestamptz) returns bigint
language plpgsql as $$
declare
  v_run bigint;
  v_total int := jsonb_array_length(p_blocks);
  v_ids bigint[];
begin
  insert into pipeline_run (
      pipeline_uuid, pipeline_version, code_version, tags, trigger_id, trigger_name, retry_of_id, root_run_id, cause,
      created_by, execution_date, variables, event_variables, allow_blocks_to_fail, blocks_total, blocks_initial,
      created_at, attempt_created_at, timeout_seconds, timeout_status, sla_seconds, sla_deadline, idempotency_key,
      idempotency_hash, event_seq)
    select r.pipeline_uuid, r.pipeline_version, r.pipeline_version, r.tags, r.trigger_id, r.trigger_name, r.retry_of_id,
           r.root_run_id, r.cause, r.created_by, r.execution_date, r.variables, r.event_variables, r.allow_blocks_to_fail,
           v_total, v_total, p_now, p_now, r.timeout_seconds, r.timeout_status, r.sla_seconds, r.sla_deadline,
           r.idempotency_key, r.idempotency_hash, 1
      from jsonb_to_record(p_run) as r(
        pipeline_uuid text, pipeline_version text, tags text[], trigger_id bigint, trigger_name text, retry_of_id bigint,
        root_run_id bigint, cause run_cause, created_by text, execution_date timestamptz, variables jsonb,
        event_variables jsonb, allow_blocks_to_fail boolean, timeout_seconds float8, timeout_status text,
        sla_seconds float8, sla_deadline timestamptz, idempotency_key text, idempotency_hash text)
    on conflict (pipeline_uuid, idempotency_key) do nothing
    returning id into v_run;
  if v_run is null then
    return null;
  end if;

  -- Ids are drawn first, so that each row can name its neighbours.
  select array_agg(nextval(pg_get_serial_sequence('block_run', 'id'))) into v_ids from generate_series(1, v_total);
  insert into block_run (id, pipeline_run_id, block_uuid, position, pending_upstream, upstream, downstream, trigger_rule,
                         label, crash_retries, timeout_seconds, created_at)
    select v_ids[s.place], v_run, s.uuid, s.place, cardinality(s.upstream),
           -- Places become ids. A subquery per row costs more than the row: only where there is something to look up.
           case when s.upstream = '{}' then '{}' else array(select v_ids[u.place] from unnest(s.upstream) with ordinality u(place, ord) order by u.ord) end,
           case when s.downstream = '{}' then '{}' else array(select v_ids[d.place] from unnest(s.downstream) with ordinality d(place, ord) order by d.ord) end,
           s.rule, s.label, s."crashRetries", s."timeoutSeconds", p_now
      from rows from (jsonb_to_recordset(p_blocks) as (uuid text, upstream int[], downstream int[], rule trigger_rule, label text, "crashRetries" int,
                                                       "timeoutSeconds" float8))
           with ordinality as s(uuid, upstream, downstream, rule, label, "crashRetries", "timeoutSeconds", place);

  insert into pipeline_run_attempt (pipeline_run_id, number, actor, created_at, status)
    select id, 1, created_by, p_now, 'initial' from pipeline_run where id = v_run;
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, to_status, actor)
    select id, 1, p_now, 'run_created', pipeline_uuid, 1, 'initial', created_by from pipeline_run where id = v_run;
  return v_run;
end $$;

-- Starts admitted runs: initial → running, and the blocks that wait for nothing are queued, in the same transaction.
-- Runs that are no longer initial are left alone. Returns the runs that started.
create function start_runs(p_runs bigint[], p_now timestamptz) returns bigint[]
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_runs bigint[];
  v_blocks bigint[];
  v_block_runs bigint[];
  v_uuids text[];
  v_labels text[];
  v_attempts int[];
begin
  select array_agg(l.id) into v_runs
    from (select id from pipeline_run where id = any(p_runs) and status = 'initial' order by id for no key update) l;
  if v_runs is null then
    return '{}';
  end if;

  with queued as (
    update block_run b set status = 'queued', queued_at = p_now
     where b.pipeline_run_id = any(v_runs) and b.status = 'initial' and b.pending_upstream = 0
    returning b.id, b.pipeline_run_id, b.block_uuid, b.label, b.attempt, b.position)
  select array_agg(q.id order by q.pipeline_run_id, q.position), array_agg(q.pipeline_run_id order by q.pipeline_run_id, q.position),
         array_agg(q.block_uuid order by q.pipeline_run_id, q.position), array_agg(q.label order by q.pipeline_run_id, q.position),
         array_agg(q.attempt order by q.pipeline_run_id, q.position)
    into v_blocks, v_block_runs, v_uuids, v_labels, v_attempts from queued q;

  -- The priority is the number of the run's block runs that stand before this one: a new run's first block goes before
  -- another run's 5,000th.
  insert into ready (block_run_id, run_id, label, prio, run_at)
    select q.id, q.run, q.label, least(1000, row_number() over (partition by q.run order by q.ord) - 1), p_now
      from unnest(v_blocks, v_block_runs, v_labels) with ordinality q(id, run, label, ord)
     order by q.ord;

  with started as (
    update pipeline_run r
       set status = 'running', started_at = p_now, blocks_initial = r.blocks_initial - coalesce(q.n, 0),
           blocks_queued = r.blocks_queued + coalesce(q.n, 0), event_seq = r.event_seq + 1 + coalesce(q.n, 0),
           timeout_at = p_now + make_interval(secs => r.timeout_seconds),
           -- Rules other than all_success, and a run with nothing to do, are for the planner.
           needs_settling = r.blocks_total = 0 or r.attempt > 1 or exists (
             select 1 from block_run b where b.pipeline_run_id = r.id and b.trigger_rule <> 'all_success' and b.status = 'initial')
      from unnest(v_runs) s(id)
      left join (select u.run, count(*)::int as n from unnest(v_block_runs) u(run) group by u.run) q on q.run = s.id
     where r.id = any(v_runs) and r.id = s.id
    returning r.id, r.pipeline_uuid, r.attempt, r.event_seq - 1 - coalesce(q.n, 0) as base),
  attempts as (
    update pipeline_run_attempt a set status = 'running', started_at = p_now
      from started s where a.pipeline_run_id = any(v_runs) and a.pipeline_run_id = s.id and a.number = s.attempt)
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
    select e.* from (
      select s.id, s.base + 1, p_now, 'run_status_changed'::run_event_kind, s.pipeline_uuid, s.attempt, null::bigint, null::text, null::int, 'initial', 'running'
        from started s
      union all
      select s.id, s.base + 1 + row_number() over (partition by s.id order by q.ord)::int, p_now, 'block_status_changed', s.pipeline_uuid,
             s.attempt, q.id, q.uuid, q.attempt, 'initial', 'queued'
        from unnest(v_blocks, v_block_runs, v_uuids, v_attempts) with ordinality q(id, run, uuid, attempt, ord) join started s on s.id = q.run
    ) e order by 1, 2;
  return v_runs;
end $$;

-- What a block run is handed, one entry per upstream in the order of its arguments; null when it has none.
create function block_inputs(p_upstream bigint[]) returns json
language sql stable as $$
  select json_agg(json_build_object('uuid', u.block_uuid, 'status', u.status, 'outputs', u.outputs) order by array_position(p_upstream, u.id))
    from block_run u where u.id = any(p_upstream)
$$;

-- One step of one worker: what finished is finished, what became ready is queued, what is free is claimed, runs that
-- are over end; one round trip, one commit.
--   p_want: free slots. p_look: whether to look into the queue for them, or to claim only what becomes ready here.
--   What finished: parallel arrays, one place per attempt, by ascending run; outcome = completed | failed | retry | requeue |
--   stopped.
--   p_details: {code, message, error, outputs, tests, dropped, retryAt} or null, which is a plain completion.
-- Answers with JSON objects: a claim, with what is needed to start it ({ids: […], uuids: […], …} for several of one run);
-- {settle: run} for each run that waits for engine/settle-runs.ts, {ended: run} for each that is over, and {more: true} when the
-- queue may hold more than fitted.
-- Run after run, in ascending order. Few and small statements: each costs more to set up than a row to move, and so does each
-- argument of a JSON function. Rows are found by `= any(array)` and their facts by array_position, because a join with unnest
-- costs as much again. An attempt is written once, at its end: until then the block run itself holds what is known of it.
create function step(
  p_worker bigint, p_label text, p_want int, p_look boolean, p_now timestamptz,
  p_ids bigint[], p_runs bigint[], p_fences int[], p_outcomes text[], p_cpus float8[], p_rss float8[], p_pids int[],
  p_details jsonb[])
returns setof json
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_finishes int := cardinality(p_ids);
  v_first int := 1;
  v_last int;
  v_ready_blocks bigint[];
  v_ready_runs bigint[];
  v_readies int := 0;
  v_ready int := 1;
  v_ready_last int;
  -- Slots for what becomes ready here.
  v_room int := p_want;
  -- The run at hand, and what changes on it.
  v_run bigint;
  r record;
  v_seq int;
  v_initial int; v_queued int; v_running int; v_completed int; v_failed int; v_cancelled int;
  v_settle boolean;
  v_done_ids bigint[]; v_done_uuids text[]; v_done_outputs jsonb[];
  v_down bigint[];
  v_below bigint;
  v_place int;
  v_detail jsonb;
  v_done boolean;
  v_inputs json;
  v_claims json;
  -- A block run that finished (the common way, another), that was claimed, that was queued.
  f record;
  b record;
  w record;
  q record;
begin
  -- What waits, of the least busy runs first. Rows that another worker is taking are skipped, never waited for.
  if p_look and p_want > 0 then
    with taken as (
      delete from ready x
       where x.ctid = any(array(select c.ctid from ready c where c.label = p_label and c.run_at <= p_now
                                 order by c.prio, c.id limit p_want for update skip locked))
      returning x.block_run_id, x.run_id)
    select array_agg(t.block_run_id order by t.run_id, t.block_run_id), array_agg(t.run_id order by t.run_id, t.block_run_id), count(*)
      into v_ready_blocks, v_ready_runs, v_readies from taken t;
    v_room := p_want - v_readies;
  end if;

  while v_first <= v_finishes or v_ready <= v_readies loop
    v_run := least(p_runs[v_first], v_ready_runs[v_ready]);
    select p.pipeline_uuid, p.code_version, p.attempt, p.event_seq, p.ending_status is not null as ending,
           p.blocks_total - p.blocks_completed - p.blocks_condition_failed as unfinished, p.blocks_queued + p.blocks_running as busy
      into r from pipeline_run p where p.id = v_run for no key update;
    v_seq := r.event_seq;
    v_initial := 0; v_queued := 0; v_running := 0; v_completed := 0; v_failed := 0; v_cancelled := 0;
    v_settle := false;

    if p_runs[v_first] = v_run then
      v_last := v_first;
      while p_runs[v_last + 1] = v_run loop
        v_last := v_last + 1;
      end loop;

      -- Finish what is still this worker's: same fence, same worker, still running. First the common end, of one …
      if v_last = v_first and p_outcomes[v_first] = 'completed' then
        v_detail := p_details[v_first];
        update block_run t
           set status = 'completed', reason_code = 'SUCCEEDED', reason_message = 'It completed.', completed_at = p_now,
               outputs = coalesce(v_detail -> 'outputs', t.outputs)
         where t.id = p_ids[v_first] and t.fence = p_fences[v_first] and t.worker_id = p_worker and t.status = 'running' and not t.stop_requested
        returning t.id, t.block_uuid, t.attempt, t.fence, t.queued_at, t.started_at, t.outputs, t.downstream into f;
        v_done_ids := '{}';
        v_down := '{}';
        if found then
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines)
            values (f.id, f.attempt, v_run, r.attempt, f.fence, 'completed', 'SUCCEEDED', 'It completed.', p_worker, p_pids[v_first],
                    f.queued_at, f.started_at, p_now, p_cpus[v_first], p_rss[v_first], v_detail -> 'outputs', v_detail -> 'tests',
                    coalesce((v_detail ->> 'dropped')::int, 0));
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            values (v_run, v_seq + 1, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, f.id, f.block_uuid, f.attempt, 'running', 'completed');
          v_completed := 1;
          v_done_ids := array[f.id];
          v_done_uuids := array[f.block_uuid];
          v_done_outputs := array[f.outputs];
          v_down := f.downstream;
        end if;
      else
        -- … or of several, in one statement: for one it costs more to set up than three small ones.
        with done as (
          update block_run t
             set status = 'completed', reason_code = 'SUCCEEDED', reason_message = 'It completed.', completed_at = p_now,
                 outputs = coalesce(p_details[array_position(p_ids, t.id)] -> 'outputs', t.outputs)
           where t.id = any(p_ids[v_first:v_last]) and t.status = 'running' and t.worker_id = p_worker and not t.stop_requested
             and t.fence = p_fences[array_position(p_ids, t.id)] and p_outcomes[array_position(p_ids, t.id)] = 'completed'
          returning t.id, t.block_uuid, t.attempt, t.fence, t.queued_at, t.started_at, t.outputs, t.downstream, array_position(p_ids, t.id) as place),
        kept as (
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines)
            select d.id, d.attempt, v_run, r.attempt, d.fence, 'completed', 'SUCCEEDED', 'It completed.', p_worker, p_pids[d.place],
                   d.queued_at, d.started_at, p_now, p_cpus[d.place], p_rss[d.place], p_details[d.place] -> 'outputs',
                   p_details[d.place] -> 'tests', coalesce((p_details[d.place] ->> 'dropped')::int, 0) from done d),
        told as (
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            select v_run, v_seq + row_number() over (), p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, d.id, d.block_uuid, d.attempt,
                   'running', 'completed' from done d)
        select count(*), coalesce(array_agg(d.id), '{}'), array_agg(d.block_uuid), array_agg(d.outputs), array(select unnest(d.downstream) from done d)
          into v_completed, v_done_ids, v_done_uuids, v_done_outputs, v_down from done d;
      end if;
      v_seq := v_seq + v_completed;
      v_running := - v_completed;

      -- … then every other, also a completion that comes when its run already ends. The attempt keeps what truly became of it,
      -- also when its block run is cancelled.
      if v_completed <= v_last - v_first then
        for i in v_first .. v_last loop
          continue when p_ids[i] = any(v_done_ids);
          v_detail := p_details[i];
          update block_run t
             set status = (case
                   when t.stop_requested or p_outcomes[i] = 'stopped' then 'cancelled'
                   when p_outcomes[i] = 'failed' then 'failed'
                   else 'queued' end)::block_run_status,
                 reason_code = case when t.stop_requested then coalesce(t.reason_code, 'RUN_ENDED') else v_detail ->> 'code' end,
                 reason_message = case when t.stop_requested then coalesce(t.reason_message, 'Its run ended.') else v_detail ->> 'message' end,
                 error = v_detail -> 'error',
                 outputs = coalesce(v_detail -> 'outputs', t.outputs),
                 completed_at = case when p_outcomes[i] in ('retry', 'requeue') and not t.stop_requested then null else p_now end,
                 retries = t.retries + case when p_outcomes[i] = 'retry' then 1 else 0 end,
                 next_attempt_at = case when t.stop_requested then null else (v_detail ->> 'retryAt')::timestamptz end
           where t.id = p_ids[i] and t.fence = p_fences[i] and t.worker_id = p_worker and t.status = 'running'
          returning t.id, t.block_uuid, t.attempt, t.fence, t.status::text as status, t.reason_code, t.reason_message, t.label, t.next_attempt_at,
                    t.queued_at, t.started_at into b;
          continue when not found;
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, error, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines)
            values (b.id, b.attempt, v_run, r.attempt, b.fence,
                    (case when p_outcomes[i] = 'completed' then 'completed' when p_outcomes[i] in ('stopped', 'requeue') then 'cancelled'
                          else 'failed' end)::block_run_status,
                    coalesce(v_detail ->> 'code', 'SUCCEEDED'), coalesce(v_detail ->> 'message', 'It completed.'), p_worker, p_pids[i],
                    b.queued_at, b.started_at, p_now, v_detail -> 'error', p_cpus[i], p_rss[i], v_detail -> 'outputs', v_detail -> 'tests',
                    coalesce((v_detail ->> 'dropped')::int, 0));
          v_seq := v_seq + 1;
          v_running := v_running - 1;
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                                 reason_code, reason_message)
            values (v_run, v_seq, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, b.id, b.block_uuid, b.attempt, 'running', b.status,
                    b.reason_code, b.reason_message);
          if b.status = 'queued' then
            v_queued := v_queued + 1;
            update block_run t set queued_at = p_now where t.id = b.id;
            insert into ready (block_run_id, run_id, label, prio, run_at)
              values (b.id, v_run, b.label, least(1000, r.busy), coalesce(b.next_attempt_at, p_now));
          else
            -- A failure or a cancel is for the planner.
            v_settle := true;
            if b.status = 'failed' then v_failed := v_failed + 1; else v_cancelled := v_cancelled + 1; end if;
          end if;
        end loop;
      end if;
      v_first := v_last + 1;

      -- What waited for a completed one waits for one less. What waits for nothing more is claimed at once while there is room, else
      -- queued; rules other than all_success are for the planner.
      foreach v_below in array v_down loop
        v_done := false;
        if v_room > 0 then
          update block_run t
             set pending_upstream = 0, status = 'running', queued_at = p_now, started_at = p_now, fence = t.fence + 1, attempt = t.attempt + 1,
                 worker_id = p_worker, pid = null
           where t.id = v_below and t.status = 'initial' and t.pending_upstream = 1 and t.trigger_rule = 'all_success' and t.label = p_label
          returning t.id, t.block_uuid, t.attempt, t.fence, t.retries, t.timeout_seconds, t.upstream into w;
          v_done := found;
        end if;
        if not v_done then
          update block_run t
             set pending_upstream = t.pending_upstream - 1,
                 status = (case when t.pending_upstream = 1 and t.trigger_rule = 'all_success' then 'queued' else 'initial' end)::block_run_status,
                 queued_at = case when t.pending_upstream = 1 and t.trigger_rule = 'all_success' then p_now end
           where t.id = v_below and t.status = 'initial'
          returning t.id, t.block_uuid, t.status, t.attempt, t.label, t.trigger_rule into q;
          continue when not found;
          v_settle := v_settle or q.trigger_rule <> 'all_success';
          continue when q.status = 'initial';
          v_initial := v_initial - 1;
          v_queued := v_queued + 1;
          v_seq := v_seq + 1;
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            values (v_run, v_seq, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, q.id, q.block_uuid, q.attempt, 'initial', 'queued');
          insert into ready (block_run_id, run_id, label, prio, run_at)
            values (q.id, v_run, q.label, least(1000, r.busy + v_queued + v_running), p_now);
          continue;
        end if;
        v_initial := v_initial - 1;
        v_room := v_room - 1;
        v_running := v_running + 1;
        insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
          values (v_run, v_seq + 1, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt - 1, 'initial', 'queued'),
                 (v_run, v_seq + 2, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt, 'queued', 'running');
        v_seq := v_seq + 2;
        if w.upstream[2] is null then
          -- Its one upstream is a block that completed just now.
          v_place := array_position(v_done_ids, w.upstream[1]);
          v_inputs := json_build_array(json_build_object('uuid', v_done_uuids[v_place], 'status', 'completed', 'outputs', v_done_outputs[v_place]));
        else
          v_inputs := block_inputs(w.upstream);
        end if;
        return next json_build_object(
          'id', w.id, 'run', v_run, 'uuid', w.block_uuid, 'fence', w.fence, 'attempt', w.attempt, 'retries', w.retries, 'runAttempt', r.attempt,
          'pipeline', r.pipeline_uuid, 'version', r.code_version, 'timeoutSeconds', w.timeout_seconds, 'inputs', v_inputs);
      end loop;
    end if;

    -- Claim what waited. A ready row is a hint: one that is stale or double claims nothing.
    if v_ready_runs[v_ready] = v_run then
      v_ready_last := v_ready;
      while v_ready_runs[v_ready_last + 1] = v_run loop
        v_ready_last := v_ready_last + 1;
      end loop;
      with claimed as (
        update block_run t
           set status = 'running', fence = t.fence + 1, attempt = t.attempt + 1, worker_id = p_worker, pid = null, started_at = p_now,
               completed_at = null, error = null, reason_code = null, reason_message = null, reason_actor = null, next_attempt_at = null
         where t.id = any(v_ready_blocks[v_ready:v_ready_last]) and t.status = 'queued'
        returning t.id, t.block_uuid, t.attempt, t.fence, t.retries, t.timeout_seconds, t.upstream),
      told as (
        insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
          select v_run, v_seq + row_number() over (), p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, c.id, c.block_uuid, c.attempt,
                 'queued', 'running' from claimed c)
      select count(*), json_build_object(
               'run', v_run, 'runAttempt', r.attempt, 'pipeline', r.pipeline_uuid, 'version', r.code_version, 'ids', array_agg(c.id),
               'uuids', array_agg(c.block_uuid), 'fences', array_agg(c.fence), 'attempts', array_agg(c.attempt), 'retries', array_agg(c.retries),
               'timeouts', array_agg(c.timeout_seconds), 'inputs', json_agg(case when c.upstream <> '{}' then block_inputs(c.upstream) end))
        into v_place, v_claims from claimed c;
      v_ready := v_ready_last + 1;
      if v_place > 0 then
        v_seq := v_seq + v_place;
        v_queued := v_queued - v_place;
        v_running := v_running + v_place;
        return next v_claims;
      end if;
    end if;

    continue when v_seq = r.event_seq;
    if v_completed = r.unfinished and not r.ending then
      -- An ordinary end is decided here.
      update pipeline_run p
         set event_seq = v_seq + 1, blocks_running = p.blocks_running + v_running, blocks_completed = p.blocks_completed + v_completed,
             status = 'completed', completed_at = p_now, reason_code = 'SUCCEEDED', reason_message = 'Every block completed.', timeout_at = null
       where p.id = v_run;
      insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, from_status, to_status, reason_code, reason_message)
        values (v_run, v_seq + 1, p_now, 'run_status_changed', r.pipeline_uuid, r.attempt, 'running', 'completed', 'SUCCEEDED', 'Every block completed.');
      update pipeline_run_attempt a
         set status = 'completed', completed_at = p_now, reason_code = 'SUCCEEDED', reason_message = 'Every block completed.'
       where a.pipeline_run_id = v_run and a.number = r.attempt;
      return next json_build_object('ended', v_run);
      continue;
    end if;
    v_settle := v_settle or (r.ending and v_completed > 0);
    update pipeline_run p
       set event_seq = v_seq, blocks_initial = p.blocks_initial + v_initial, blocks_queued = p.blocks_queued + v_queued,
           blocks_running = p.blocks_running + v_running, blocks_completed = p.blocks_completed + v_completed,
           blocks_failed = p.blocks_failed + v_failed, blocks_cancelled = p.blocks_cancelled + v_cancelled,
           needs_settling = p.needs_settling or v_settle
     where p.id = v_run;
    if v_settle then
      return next json_build_object('settle', v_run);
    end if;
  end loop;
  -- Also when what was taken was stale: then there were fewer claims than rows.
  if v_readies > 0 and v_readies = p_want then
    return next '{"more": true}'::json;
  end if;
end $$;

-- Carries out what a planner decided about one run (domain/run.ts), inside the caller's transaction, which holds the
-- run's row lock. Block changes are guarded by the status that the planner saw; one that doesn't hold aborts the transaction.
--   p_blocks: [{id, from, to, code, message, pending, bumpFence}]; to = 'initial' is a reset by a retry.
--   p_stop: block runs that go on running until their worker has stopped them.
--   p_change: what changes on the run itself. p_events: the history entries, in order.
create function apply_run_plan(p_run bigint, p_blocks jsonb, p_stop bigint[], p_change jsonb, p_events jsonb, p_now timestamptz)
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_ids bigint[];
  v_changed int;
  v_events int := jsonb_array_length(p_events);
begin
  select array_agg(b.id) into v_ids from jsonb_to_recordset(p_blocks) as b(id bigint);
  if v_ids is not null then
    -- The attempt of a worker that will not report any more ends here, lost, whatever becomes of its block run.
    insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                               queued_at, started_at, completed_at, error)
      select b.id, b.attempt, p_run, r.attempt, b.fence, 'failed', 'WORKER_LOST', 'The worker that ran it was lost.', b.worker_id, b.pid, b.queued_at, b.started_at, p_now, c.error
        from jsonb_to_recordset(p_blocks) as c(id bigint, "from" text, "bumpFence" boolean, error jsonb)
        join block_run b on b.id = any(v_ids) and b.id = c.id and b.status = 'running'
        join pipeline_run r on r.id = p_run
       where c."from" = 'running' and c."bumpFence";
    update block_run b
       set status = c."to"::block_run_status,
           reason_code = c.code, reason_message = c.message, reason_actor = c.actor,
           pending_upstream = coalesce(c.pending, b.pending_upstream),
           fence = b.fence + case when c."bumpFence" then 1 else 0 end,
           losses = case when c."to" = 'initial' then 0 when c.code = 'WORKER_LOST' then b.losses + 1 else b.losses end,
           retries = case when c."to" = 'initial' then 0 else b.retries end,
           stop_requested = false,
           next_attempt_at = null,
           error = case when c."to" = 'initial' then null else coalesce(c.error, b.error) end,
           queued_at = case c."to" when 'queued' then p_now when 'initial' then null else b.queued_at end,
           started_at = case c."to" when 'initial' then null else b.started_at end,
           completed_at = case when c."to" in ('initial', 'queued') then null else p_now end
      from jsonb_to_recordset(p_blocks) as c(id bigint, "from" text, "to" text, code text, message text, actor text, pending int,
           "bumpFence" boolean, error jsonb)
     where b.id = any(v_ids) and b.id = c.id and b.status = c."from"::block_run_status and b.pipeline_run_id = p_run;
    get diagnostics v_changed = row_count;
    if v_changed <> cardinality(v_ids) then
      raise exception 'a block run of run % is not in the status that was planned for', p_run using errcode = '40001';
    end if;
    insert into ready (block_run_id, run_id, label, prio, run_at)
      select b.id, b.pipeline_run_id, b.label, least(1000, r.blocks_queued + r.blocks_running + row_number() over (order by b.position) - 1), p_now
        from block_run b join pipeline_run r on r.id = p_run
       where b.id = any(v_ids) and b.status = 'queued' order by b.position;
  end if;
  if cardinality(p_stop) > 0 then
    update block_run b
       set stop_requested = true, reason_code = p_change ->> 'stopCode', reason_message = p_change ->> 'stopMessage', reason_actor = p_change ->> 'actor'
     where b.id = any(p_stop) and b.status = 'running' and b.pipeline_run_id = p_run;
  end if;

  with counted as (
    select count(*) filter (where b.status = 'initial')::int as initial, count(*) filter (where b.status = 'queued')::int as queued,
           count(*) filter (where b.status = 'running')::int as running, count(*) filter (where b.status = 'completed')::int as completed,
           count(*) filter (where b.status = 'failed')::int as failed, count(*) filter (where b.status = 'cancelled')::int as cancelled,
           count(*) filter (where b.status = 'upstream_failed')::int as upstream_failed,
           count(*) filter (where b.status = 'condition_failed')::int as condition_failed
      from block_run b where b.pipeline_run_id = p_run),
  moved as (
    update pipeline_run r
       set blocks_initial = n.initial, blocks_queued = n.queued, blocks_running = n.running, blocks_completed = n.completed,
           blocks_failed = n.failed, blocks_cancelled = n.cancelled, blocks_upstream_failed = n.upstream_failed,
           blocks_condition_failed = n.condition_failed,
           needs_settling = coalesce((p_change ->> 'settleAfter')::boolean, false), event_seq = r.event_seq + v_events,
           status = coalesce((p_change ->> 'status')::pipeline_run_status, r.status),
           ending_status = case when p_change ? 'endingStatus' then (p_change ->> 'endingStatus')::pipeline_run_status else r.ending_status end,
           reason_code = case when p_change ? 'reasonCode' then p_change ->> 'reasonCode' else r.reason_code end,
           reason_message = case when p_change ? 'reasonCode' then p_change ->> 'reasonMessage' else r.reason_message end,
           reason_actor = case when p_change ? 'reasonCode' then p_change ->> 'reasonActor' else r.reason_actor end,
           error = case when p_change ? 'error' then nullif(p_change -> 'error', 'null') else r.error end,
           cancel_requested_at = case when p_change ? 'cancelRequested' then case when (p_change ->> 'cancelRequested')::boolean then p_now end
                                 else r.cancel_requested_at end,
           timed_out = coalesce((p_change ->> 'timedOut')::boolean, r.timed_out),
           timeout_at = case when (p_change ->> 'clearDeadline')::boolean then null else r.timeout_at end,
           attempt = coalesce((p_change ->> 'attempt')::int, r.attempt),
           code_version = coalesce(p_change ->> 'codeVersion', r.code_version),
           variables = coalesce(p_change -> 'variables', r.variables),
           attempt_created_at = case when p_change ? 'attempt' then p_now else r.attempt_created_at end,
           started_at = case when p_change ? 'attempt' then null else r.started_at end,
           completed_at = case when p_change ->> 'status' in ('completed', 'failed', 'cancelled') then p_now
                               when p_change ? 'attempt' then null else r.completed_at end
      from counted n where r.id = p_run
    returning r.id, r.pipeline_uuid, r.attempt, r.event_seq - v_events as base)
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                         actor, reason_code, reason_message)
    select m.id, m.base + e.ord::int, p_now, (e.event ->> 'kind')::run_event_kind, m.pipeline_uuid, m.attempt, (e.event ->> 'blockRunId')::bigint,
           e.event ->> 'blockUuid', (e.event ->> 'attempt')::int, e.event ->> 'from', e.event ->> 'to', e.event ->> 'actor', e.event ->> 'code',
           e.event ->> 'message'
      from moved m, jsonb_array_elements(p_events) with ordinality e(event, ord) order by e.ord;

  if p_change ->> 'status' in ('completed', 'failed', 'cancelled') then
    update pipeline_run_attempt a
       set status = (p_change ->> 'status')::pipeline_run_status, completed_at = p_now, reason_code = r.reason_code,
           reason_message = r.reason_message, reason_actor = r.reason_actor
      from pipeline_run r where r.id = p_run and a.pipeline_run_id = p_run and a.number = r.attempt;
  end if;
  if p_change ? 'attempt' then
    insert into pipeline_run_attempt (pipeline_run_id, number, mode, from_block, actor, reason, created_at, status)
      values (p_run, (p_change ->> 'attempt')::int, (p_change ->> 'mode')::retry_mode, p_change ->> 'fromBlock', p_change ->> 'actor',
              p_change ->> 'why', p_now, 'initial');
  end if;
end $$;
