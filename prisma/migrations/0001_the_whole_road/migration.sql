-- Part 1: every table of the whole road, and the functions that move runs along it.
-- Applied by src/store/migrate.ts; prisma/schema.prisma says the same of the tables, and a test holds them together.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

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
    "status" "block_run_status" NOT NULL DEFAULT 'running',
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

    CONSTRAINT "ready_pkey" PRIMARY KEY ("id")
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
CREATE INDEX "block_attempt_pipeline_run_id_idx" ON "block_attempt"("pipeline_run_id");

-- CreateIndex
CREATE INDEX "run_event_xid_id_idx" ON "run_event"("xid", "id");

-- CreateIndex
CREATE UNIQUE INDEX "run_event_pipeline_run_id_seq_key" ON "run_event"("pipeline_run_id", "seq");

-- CreateIndex
CREATE INDEX "ready_label_prio_id_idx" ON "ready"("label", "prio", "id");

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
    select v_ids[b.place], v_run, b.spec ->> 'uuid', b.place,
           jsonb_array_length(b.spec -> 'upstream'),
           array(select v_ids[u.place::int] from jsonb_array_elements_text(b.spec -> 'upstream') with ordinality u(place, ord) order by u.ord),
           array(select v_ids[d.place::int] from jsonb_array_elements_text(b.spec -> 'downstream') with ordinality d(place, ord) order by d.ord),
           (b.spec ->> 'rule')::trigger_rule, b.spec ->> 'label', (b.spec ->> 'crashRetries')::int,
           (b.spec ->> 'timeoutSeconds')::float8, p_now
      from jsonb_array_elements(p_blocks) with ordinality b(spec, place);

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

-- One step of one worker: what finished is finished, what became ready is queued, what is free is claimed, runs that
-- are over end; one round trip, one commit.
--   p_finishes: [{id, run, number, fence, outcome: completed | failed | retry | requeue | stopped, code, message, error,
--                 outputs, tests, cpu, rss, dropped, retryAt}]
--   claims: what this worker holds from now on. settle: runs that wait for engine/settle-runs.ts.
create function step(p_worker bigint, p_label text, p_want int, p_finishes jsonb, p_now timestamptz,
                     out claims jsonb, out settle bigint[])
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_ready bigint[];
  v_ready_blocks bigint[];
  v_runs bigint[];
  v_f_ids bigint[]; v_f_runs bigint[]; v_f_numbers int[]; v_f_fences int[]; v_f_outcomes text[]; v_f_codes text[];
  v_f_messages text[]; v_f_errors jsonb[]; v_f_outputs jsonb[]; v_f_tests jsonb[]; v_f_cpus float8[]; v_f_rss float8[];
  v_f_dropped int[]; v_f_pids int[]; v_f_retry_ats timestamptz[];
  v_d_ids bigint[]; v_d_runs bigint[]; v_d_uuids text[]; v_d_attempts int[]; v_d_statuses text[]; v_d_codes text[]; v_d_messages text[];
  v_d_labels text[]; v_d_retry_ats timestamptz[];
  v_down bigint[];
  v_q_ids bigint[]; v_q_runs bigint[]; v_q_uuids text[]; v_q_attempts int[]; v_q_labels text[];
  v_c_ids bigint[]; v_c_runs bigint[]; v_c_uuids text[]; v_c_attempts int[];
  v_candidates bigint[];
  v_left bigint[];
  v_unsettled bigint[] := '{}';
  v_ended bigint[];
begin
  -- 1. What waits. Rows that another worker is taking are skipped, never waited for.
  if p_want > 0 then
    select array_agg(t.id), array_agg(t.block_run_id), array_agg(distinct t.run_id)
      into v_ready, v_ready_blocks, v_runs
      from (select r.id, r.block_run_id, r.run_id from ready r
             where r.label = p_label and r.run_at <= p_now
             order by r.prio, r.id limit p_want for update skip locked) t;
  end if;
  if p_finishes is not null then
    select array_agg(f.id), array_agg(f.run), array_agg(f.number), array_agg(f.fence), array_agg(f.outcome), array_agg(f.code),
           array_agg(f.message), array_agg(f.error), array_agg(f.outputs), array_agg(f.tests), array_agg(f.cpu), array_agg(f.rss),
           array_agg(coalesce(f.dropped, 0)), array_agg(f.pid), array_agg(f."retryAt")
      into v_f_ids, v_f_runs, v_f_numbers, v_f_fences, v_f_outcomes, v_f_codes, v_f_messages, v_f_errors, v_f_outputs, v_f_tests,
           v_f_cpus, v_f_rss, v_f_dropped, v_f_pids, v_f_retry_ats
      from jsonb_to_recordset(p_finishes) as f(id bigint, run bigint, number int, fence int, outcome text, code text, message text,
           error jsonb, outputs jsonb, tests jsonb, cpu float8, rss float8, dropped int, pid int, "retryAt" timestamptz);
  end if;
  if v_ready is null and v_f_ids is null then
    return;
  end if;

  -- 2. Every run involved, in the one order.
  v_runs := coalesce(v_runs, '{}') || coalesce(v_f_runs, '{}');
  perform 1 from pipeline_run r where r.id = any(v_runs) order by r.id for no key update;

  -- 3. Finish what is still this worker's: same fence, same worker, still running.
  if v_f_ids is not null then
    with finished as (
      update block_run b
         set status = (case
               when b.stop_requested then 'cancelled'
               when f.outcome = 'completed' then 'completed'
               when f.outcome = 'failed' then 'failed'
               when f.outcome = 'stopped' then 'cancelled'
               else 'queued' end)::block_run_status,
             reason_code = case when b.stop_requested then coalesce(b.reason_code, 'RUN_ENDED') else f.code end,
             reason_message = case when b.stop_requested then coalesce(b.reason_message, 'Its run ended.') else f.message end,
             error = f.error,
             outputs = coalesce(f.outputs, b.outputs),
             completed_at = case when f.outcome in ('retry', 'requeue') and not b.stop_requested then null else p_now end,
             queued_at = case when f.outcome in ('retry', 'requeue') and not b.stop_requested then p_now else b.queued_at end,
             retries = b.retries + case when f.outcome = 'retry' then 1 else 0 end,
             next_attempt_at = case when b.stop_requested then null else f.retry_at end
        from unnest(v_f_ids, v_f_fences, v_f_outcomes, v_f_codes, v_f_messages, v_f_errors, v_f_outputs, v_f_retry_ats)
             as f(id, fence, outcome, code, message, error, outputs, retry_at)
       where b.id = any(v_f_ids) and b.id = f.id and b.fence = f.fence and b.worker_id = p_worker and b.status = 'running'
      returning b.id, b.pipeline_run_id, b.block_uuid, b.attempt, b.status::text as status, b.reason_code, b.reason_message, b.label,
                b.next_attempt_at)
    select array_agg(d.id), array_agg(d.pipeline_run_id), array_agg(d.block_uuid), array_agg(d.attempt), array_agg(d.status),
           array_agg(d.reason_code), array_agg(d.reason_message), array_agg(d.label), array_agg(d.next_attempt_at)
      into v_d_ids, v_d_runs, v_d_uuids, v_d_attempts, v_d_statuses, v_d_codes, v_d_messages, v_d_labels, v_d_retry_ats
      from finished d;

    -- The attempt keeps what truly became of it, also when its block run is cancelled.
    update block_attempt a
       set status = (case f.outcome when 'completed' then 'completed' when 'stopped' then 'cancelled' when 'requeue' then 'cancelled'
                     else 'failed' end)::block_run_status,
           reason_code = f.code, reason_message = f.message, completed_at = p_now, error = f.error, outputs = f.outputs, tests = f.tests,
           cpu_time_ms = f.cpu, max_rss_bytes = f.rss, dropped_lines = f.dropped, pid = coalesce(f.pid, a.pid)
      from unnest(v_f_ids, v_f_numbers, v_f_fences, v_f_outcomes, v_f_codes, v_f_messages, v_f_errors, v_f_outputs, v_f_tests, v_f_cpus,
                  v_f_rss, v_f_dropped, v_f_pids)
           as f(id, number, fence, outcome, code, message, error, outputs, tests, cpu, rss, dropped, pid)
     where a.block_run_id = any(v_f_ids) and a.block_run_id = f.id and a.number = f.number and a.fence = f.fence and a.status = 'running';

    -- 4. What waited for the completed ones: each loses as many pending upstreams as completed here.
    select array_agg(w.id) into v_down
      from block_run b, unnest(b.downstream) w(id) where b.id = any(v_d_ids) and b.status = 'completed';
    if v_down is not null then
      with nearer as (
        update block_run b
           set pending_upstream = b.pending_upstream - d.n,
               status = (case when b.pending_upstream = d.n and b.trigger_rule = 'all_success' then 'queued' else 'initial' end)::block_run_status,
               queued_at = case when b.pending_upstream = d.n and b.trigger_rule = 'all_success' then p_now end
          from (select w.id, count(*)::int as n from unnest(v_down) w(id) group by w.id) d
         where b.id = any(v_down) and b.id = d.id and b.status = 'initial'
        returning b.id, b.pipeline_run_id, b.block_uuid, b.attempt, b.label, b.position, b.status, b.trigger_rule)
      select array_agg(n.id order by n.position) filter (where n.status = 'queued'),
             array_agg(n.pipeline_run_id order by n.position) filter (where n.status = 'queued'),
             array_agg(n.block_uuid order by n.position) filter (where n.status = 'queued'),
             array_agg(n.attempt order by n.position) filter (where n.status = 'queued'),
             array_agg(n.label order by n.position) filter (where n.status = 'queued'),
             coalesce(array_agg(distinct n.pipeline_run_id) filter (where n.trigger_rule <> 'all_success'), '{}')
        into v_q_ids, v_q_runs, v_q_uuids, v_q_attempts, v_q_labels, v_unsettled
        from nearer n;
    end if;
  end if;

  -- 5. Claim: first what waited longest, then what became ready just now, for the slots that are left.
  v_candidates := coalesce(v_ready_blocks, '{}');
  if v_q_ids is not null and p_want > cardinality(v_candidates) then
    v_candidates := v_candidates || array(
      select q.id from unnest(v_q_ids, v_q_labels) with ordinality q(id, label, ord) where q.label = p_label
       order by q.ord limit p_want - cardinality(v_candidates));
  end if;
  if cardinality(v_candidates) > 0 then
    with claimed as (
      update block_run b
         set status = 'running', fence = b.fence + 1, attempt = b.attempt + 1, worker_id = p_worker, started_at = p_now,
             completed_at = null, error = null, reason_code = null, reason_message = null, reason_actor = null, next_attempt_at = null
       where b.id = any(v_candidates) and b.status = 'queued'
      returning b.id, b.pipeline_run_id, b.block_uuid, b.attempt, b.fence, b.queued_at),
    opened as (
      insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, worker_id, queued_at, started_at)
        select c.id, c.attempt, c.pipeline_run_id, r.attempt, c.fence, p_worker, c.queued_at, p_now
          from claimed c join pipeline_run r on r.id = any(v_runs) and r.id = c.pipeline_run_id)
    select array_agg(c.id), array_agg(c.pipeline_run_id), array_agg(c.block_uuid), array_agg(c.attempt)
      into v_c_ids, v_c_runs, v_c_uuids, v_c_attempts from claimed c;
  end if;

  -- What became ready and was not claimed waits in the queue, and so does what is to be tried again.
  if v_q_ids is not null then
    select array_agg(q.id) into v_left from unnest(v_q_ids) q(id) where v_c_ids is null or q.id <> all(v_c_ids);
  end if;
  if v_left is not null or 'queued' = any(v_d_statuses) then
    insert into ready (block_run_id, run_id, label, prio, run_at)
      select q.id, q.run, q.label,
             least(1000, r.blocks_queued + r.blocks_running + row_number() over (partition by q.run order by q.ord) - 1), coalesce(q.run_at, p_now)
        from (select u.id, u.run, u.label, null::timestamptz as run_at, u.ord from unnest(v_q_ids, v_q_runs, v_q_labels) with ordinality u(id, run, label, ord)
               where u.id = any(v_left)
              union all
              select d.id, d.run, d.label, d.run_at, d.ord
                from unnest(v_d_ids, v_d_runs, v_d_labels, v_d_retry_ats, v_d_statuses) with ordinality d(id, run, label, run_at, status, ord)
               where d.status = 'queued') q
        join pipeline_run r on r.id = any(v_runs) and r.id = q.run
       order by q.run, q.ord;
  end if;
  if v_ready is not null then
    delete from ready where id = any(v_ready);
  end if;

  -- 6. One update per run, then all of its events in the order in which things happened.
  if v_d_ids is not null or v_c_ids is not null then
    with moves as materialized (
      select d.run, d.id, d.uuid, d.attempt, 'running' as from_status, d.status as to_status, d.code, d.message, d.ord
        from unnest(v_d_ids, v_d_runs, v_d_uuids, v_d_attempts, v_d_statuses, v_d_codes, v_d_messages)
             with ordinality d(id, run, uuid, attempt, status, code, message, ord)
      union all
      select q.run, q.id, q.uuid, q.attempt, 'initial', 'queued', null, null, 100000 + q.ord
        from unnest(v_q_ids, v_q_runs, v_q_uuids, v_q_attempts) with ordinality q(id, run, uuid, attempt, ord)
      union all
      select c.run, c.id, c.uuid, c.attempt, 'queued', 'running', null, null, 200000 + c.ord
        from unnest(v_c_ids, v_c_runs, v_c_uuids, v_c_attempts) with ordinality c(id, run, uuid, attempt, ord)),
    sums as (
      select m.run, count(*)::int as n,
             count(*) filter (where m.from_status = 'initial')::int as from_initial,
             (count(*) filter (where m.to_status = 'queued') - count(*) filter (where m.from_status = 'queued'))::int as queued,
             (count(*) filter (where m.to_status = 'running') - count(*) filter (where m.from_status = 'running'))::int as running,
             count(*) filter (where m.to_status = 'completed')::int as completed,
             count(*) filter (where m.to_status = 'failed')::int as failed,
             count(*) filter (where m.to_status = 'cancelled')::int as cancelled
        from moves m group by m.run),
    moved as (
      update pipeline_run r
         set blocks_initial = r.blocks_initial - s.from_initial, blocks_queued = r.blocks_queued + s.queued,
             blocks_running = r.blocks_running + s.running, blocks_completed = r.blocks_completed + s.completed,
             blocks_failed = r.blocks_failed + s.failed, blocks_cancelled = r.blocks_cancelled + s.cancelled,
             event_seq = r.event_seq + s.n
               + case when r.ending_status is null and r.blocks_completed + s.completed + r.blocks_condition_failed = r.blocks_total then 1 else 0 end,
             status = case when r.ending_status is null and r.blocks_completed + s.completed + r.blocks_condition_failed = r.blocks_total
                      then 'completed' else r.status end,
             completed_at = case when r.ending_status is null and r.blocks_completed + s.completed + r.blocks_condition_failed = r.blocks_total
                            then p_now end,
             reason_code = case when r.ending_status is null and r.blocks_completed + s.completed + r.blocks_condition_failed = r.blocks_total
                           then 'SUCCEEDED' else r.reason_code end,
             reason_message = case when r.ending_status is null and r.blocks_completed + s.completed + r.blocks_condition_failed = r.blocks_total
                              then 'Every block completed.' else r.reason_message end,
             -- A failure, a cancel or an unusual trigger rule is for the planner.
             needs_settling = r.needs_settling or s.failed > 0 or s.cancelled > 0
               or (s.completed > 0 and (r.ending_status is not null or r.blocks_failed > 0)) or r.id = any(v_unsettled)
        from sums s where r.id = any(v_runs) and r.id = s.run
      returning r.id, r.pipeline_uuid, r.attempt, r.status, r.event_seq, r.needs_settling, s.n,
                r.event_seq - s.n - case when r.status = 'completed' then 1 else 0 end as base),
    written as (
      insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt,
                             from_status, to_status, reason_code, reason_message)
        select e.* from (
          select m.run, (r.base + row_number() over (partition by m.run order by m.ord))::int, p_now, 'block_status_changed'::run_event_kind,
                 r.pipeline_uuid, r.attempt, m.id, m.uuid, m.attempt, m.from_status, m.to_status, m.code, m.message
            from moves m join moved r on r.id = m.run
          union all
          select r.id, r.event_seq, p_now, 'run_status_changed', r.pipeline_uuid, r.attempt, null, null, null, 'running', 'completed',
                 'SUCCEEDED', 'Every block completed.'
            from moved r where r.status = 'completed') e
         order by 1, 2)
    select array_agg(r.id) filter (where r.status = 'completed'), array_agg(r.id) filter (where r.needs_settling)
      into v_ended, settle from moved r;
    if v_ended is not null then
      update pipeline_run_attempt a
         set status = 'completed', completed_at = p_now, reason_code = 'SUCCEEDED', reason_message = 'Every block completed.'
       where a.pipeline_run_id = any(v_ended) and a.status = 'running';
    end if;
  end if;

  if v_c_ids is not null then
    select jsonb_agg(jsonb_build_object(
             'id', b.id, 'run', b.pipeline_run_id, 'uuid', b.block_uuid, 'fence', b.fence, 'attempt', b.attempt, 'retries', b.retries,
             'runAttempt', r.attempt, 'pipeline', r.pipeline_uuid, 'version', r.code_version, 'timeoutSeconds', b.timeout_seconds,
             'inputs', case when cardinality(b.upstream) > 0 then (
               select jsonb_agg(jsonb_build_object('uuid', u.block_uuid, 'status', u.status, 'outputs', u.outputs) order by array_position(b.upstream, u.id))
                 from block_run u where u.id = any(b.upstream)) end))
      into claims
      from block_run b join pipeline_run r on r.id = any(v_runs) and r.id = b.pipeline_run_id
     where b.id = any(v_c_ids);
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
    -- An attempt whose worker will not report any more is closed here.
    update block_attempt a
       set status = 'failed', completed_at = p_now, reason_code = c.code, reason_message = c.message
      from jsonb_to_recordset(p_blocks) as c(id bigint, "from" text, code text, message text, "bumpFence" boolean)
     where a.block_run_id = any(v_ids) and a.block_run_id = c.id and c."from" = 'running' and c."bumpFence" and a.status = 'running';
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
