-- Carries out what a planner decided about runs (domain/run.ts), each run once, inside the caller's transaction, which holds the
-- runs' row locks. Block changes are guarded by the status that the planner saw; one that doesn't hold aborts the transaction.
-- One statement for all runs where it can: a batch of a hundred runs costs three times less than a call for each.
--   p_changes: [{run, change, events}]: what changes on each run, and how many history entries it gets.
--   p_runs … p_seqs: the block changes, a column each, in the order in which they are told; to = 'initial' is a reset by a retry, reason
--   a place in p_codes, p_messages and p_actors, seq the place of its entry among those of its run. p_errors: [{id, error}], for some.
--   p_stop: block runs that go on running until their worker has stopped them.
--   p_events: [{run, n, …}]: the history entries that are not of block changes, n being their place.
create function apply_run_plans(
  p_changes jsonb, p_runs bigint[], p_ids bigint[], p_from text[], p_to text[], p_reasons int[], p_pending int[], p_bump boolean[], p_seqs int[],
  p_codes text[], p_messages text[], p_actors text[], p_errors jsonb, p_stop bigint[], p_events jsonb, p_now timestamptz)
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_run_ids bigint[];
  v_changed int := 0;
  v_uuids text[];
  v_attempts int[];
begin
  select array_agg(c.run) into v_run_ids from jsonb_to_recordset(p_changes) as c(run bigint);
  if cardinality(p_ids) > 0 then
    -- The attempt of a worker that will not report any more ends here, lost, whatever becomes of its block run. That of a sensor between
    -- two calls, which no worker holds, ends as its block run.
    if true = any(p_bump) then
      insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                 queued_at, started_at, completed_at, error, calls)
        select b.id, b.attempt, b.pipeline_run_id, r.attempt, b.fence, case when b.worker_id is null then c."to"::block_run_status else 'failed' end,
               case when b.worker_id is null then p_codes[c.reason] else 'WORKER_LOST' end,
               case when b.worker_id is null then p_messages[c.reason] else 'The worker that ran it was lost.' end,
               b.worker_id, b.pid, b.queued_at, b.started_at, p_now, e.error, nullif(b.calls, 0)
          from unnest(p_ids, p_from, p_to, p_reasons, p_bump) as c(id, "from", "to", reason, bump)
          join block_run b on b.id = any(p_ids) and b.id = c.id and b.status = 'running'
          join pipeline_run r on r.id = any(v_run_ids) and r.id = b.pipeline_run_id
          left join jsonb_to_recordset(p_errors) as e(id bigint, error jsonb) on e.id = c.id
         where c."from" = 'running' and c.bump;
    end if;
    with changed as (
      update block_run b
         set status = c."to"::block_run_status,
             reason_code = p_codes[c.reason], reason_message = p_messages[c.reason], reason_actor = p_actors[c.reason],
             pending_upstream = coalesce(c.pending, b.pending_upstream),
             fence = b.fence + case when c.bump then 1 else 0 end,
             losses = case when c."to" = 'initial' then 0 when p_codes[c.reason] = 'WORKER_LOST' then b.losses + 1 else b.losses end,
             retries = case when c."to" = 'initial' then 0 else b.retries end,
             calls = case when c."to" in ('initial', 'queued') then 0 else b.calls end,
             stop_requested = false,
             next_attempt_at = null, child_run_id = null,
             error = case when c."to" = 'initial' then null else coalesce(e.error, b.error) end,
             queued_at = case c."to" when 'queued' then p_now when 'initial' then null else b.queued_at end,
             started_at = case c."to" when 'initial' then null else b.started_at end,
             completed_at = case when c."to" in ('initial', 'queued') then null else p_now end
        from unnest(p_runs, p_ids, p_from, p_to, p_reasons, p_pending, p_bump) with ordinality as c(run, id, "from", "to", reason, pending, bump, ord)
        left join jsonb_to_recordset(p_errors) as e(id bigint, error jsonb) on e.id = c.id
       where b.id = any(p_ids) and b.id = c.id and b.status = c."from"::block_run_status and b.pipeline_run_id = c.run
      returning c.ord, b.block_uuid, b.attempt)
    select count(*), array_agg(block_uuid order by ord), array_agg(attempt order by ord) into v_changed, v_uuids, v_attempts from changed;
    if v_changed <> cardinality(p_ids) then
      raise exception 'a block run of the runs % is not in the status that was planned for', v_run_ids using errcode = '40001';
    end if;
    if 'queued' = any(p_to) then
      insert into ready (block_run_id, run_id, label, prio, run_at)
        select b.id, b.pipeline_run_id, b.label,
               least(1000, r.blocks_queued + r.blocks_running + row_number() over (partition by r.id order by b.position) - 1), p_now
          from block_run b join pipeline_run r on r.id = any(v_run_ids) and r.id = b.pipeline_run_id
         where b.id = any(p_ids) and b.status = 'queued' order by b.pipeline_run_id, b.position;
    end if;
  end if;
  if cardinality(p_stop) > 0 then
    update block_run b
       set stop_requested = true, stop_requested_at = p_now, reason_code = c.change ->> 'stopCode', reason_message = c.change ->> 'stopMessage', reason_actor = c.change ->> 'actor'
      from jsonb_to_recordset(p_changes) as c(run bigint, change jsonb)
     where b.id = any(p_stop) and b.status = 'running' and b.pipeline_run_id = c.run;
  end if;

  -- The counts move by what has moved: every change above was held against its status, under the run's lock.
  with counted as (
    select c.run, c.change, c.events, coalesce(d.initial, 0) as initial, coalesce(d.queued, 0) as queued, coalesce(d.running, 0) as running,
           coalesce(d.completed, 0) as completed, coalesce(d.failed, 0) as failed, coalesce(d.cancelled, 0) as cancelled,
           coalesce(d.upstream_failed, 0) as upstream_failed, coalesce(d.condition_failed, 0) as condition_failed
      from jsonb_to_recordset(p_changes) as c(run bigint, change jsonb, events int)
      left join (
        select u.run, sum((u."to" = 'initial')::int - (u."from" = 'initial')::int) as initial, sum((u."to" = 'queued')::int - (u."from" = 'queued')::int) as queued,
               sum((u."to" = 'running')::int - (u."from" = 'running')::int) as running, sum((u."to" = 'completed')::int - (u."from" = 'completed')::int) as completed,
               sum((u."to" = 'failed')::int - (u."from" = 'failed')::int) as failed, sum((u."to" = 'cancelled')::int - (u."from" = 'cancelled')::int) as cancelled,
               sum((u."to" = 'upstream_failed')::int - (u."from" = 'upstream_failed')::int) as upstream_failed,
               sum((u."to" = 'condition_failed')::int - (u."from" = 'condition_failed')::int) as condition_failed
          from unnest(p_runs, p_from, p_to) u(run, "from", "to") group by u.run) d on d.run = c.run),
  moved as (
    update pipeline_run r
       set blocks_initial = r.blocks_initial + n.initial, blocks_queued = r.blocks_queued + n.queued, blocks_running = r.blocks_running + n.running,
           blocks_completed = r.blocks_completed + n.completed, blocks_failed = r.blocks_failed + n.failed,
           blocks_cancelled = r.blocks_cancelled + n.cancelled, blocks_upstream_failed = r.blocks_upstream_failed + n.upstream_failed,
           blocks_condition_failed = r.blocks_condition_failed + n.condition_failed,
           needs_settling = coalesce((n.change ->> 'settleAfter')::boolean, false), event_seq = r.event_seq + n.events,
           status = coalesce((n.change ->> 'status')::pipeline_run_status, r.status),
           ending_status = case when n.change ? 'endingStatus' then (n.change ->> 'endingStatus')::pipeline_run_status else r.ending_status end,
           reason_code = case when n.change ? 'reasonCode' then n.change ->> 'reasonCode' else r.reason_code end,
           reason_message = case when n.change ? 'reasonCode' then n.change ->> 'reasonMessage' else r.reason_message end,
           reason_actor = case when n.change ? 'reasonCode' then n.change ->> 'reasonActor' else r.reason_actor end,
           error = case when n.change ? 'error' then nullif(n.change -> 'error', 'null') else r.error end,
           cancel_requested_at = case when n.change ? 'cancelRequested' then case when (n.change ->> 'cancelRequested')::boolean then p_now end
                                 else r.cancel_requested_at end,
           timed_out = coalesce((n.change ->> 'timedOut')::boolean, r.timed_out),
           timeout_at = case when (n.change ->> 'clearDeadline')::boolean then null else r.timeout_at end,
           blocker = case when n.change ? 'attempt' then null else r.blocker end,
           attempt = coalesce((n.change ->> 'attempt')::int, r.attempt),
           code_version = coalesce(n.change ->> 'codeVersion', r.code_version),
           variables = coalesce(n.change -> 'variables', r.variables),
           attempt_created_at = case when n.change ? 'attempt' then p_now else r.attempt_created_at end,
           started_at = case when n.change ? 'attempt' then null else r.started_at end,
           completed_at = case when n.change ->> 'status' in ('completed', 'failed', 'cancelled') then p_now
                               when n.change ? 'attempt' then null else r.completed_at end
      from counted n where r.id = any(v_run_ids) and r.id = n.run
    returning r.id, r.pipeline_uuid, r.attempt, r.event_seq - n.events as base)
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                         actor, reason_code, reason_message)
    select * from (
      select m.id, m.base + b.seq, p_now, 'block_status_changed'::run_event_kind, m.pipeline_uuid, m.attempt, b.id, b.uuid, b.attempt, b."from", b."to",
             p_actors[b.reason], p_codes[b.reason], p_messages[b.reason]
        from unnest(p_runs, p_ids, p_from, p_to, p_reasons, p_seqs, v_uuids, v_attempts) as b(run, id, "from", "to", reason, seq, uuid, attempt)
        join moved m on m.id = b.run
      union all
      select m.id, m.base + e.n, p_now, e.kind::run_event_kind, m.pipeline_uuid, m.attempt, e."blockRunId", e."blockUuid", e.attempt, e."from", e."to",
             e.actor, e.code, e.message
        from jsonb_to_recordset(p_events) as e(run bigint, n int, kind text, "blockRunId" bigint, "blockUuid" text, attempt int, "from" text, "to" text,
                                               actor text, code text, message text)
        join moved m on m.id = e.run) told
     order by 1, 2;

  if exists (select 1 from pipeline_run r where r.id = any(v_run_ids) and r.has_callbacks) then
    perform add_callbacks(p_ids, p_now);
  end if;
  update pipeline_run_attempt a
     set status = (c.change ->> 'status')::pipeline_run_status, completed_at = p_now, reason_code = r.reason_code,
         reason_message = r.reason_message, reason_actor = r.reason_actor
    from jsonb_to_recordset(p_changes) as c(run bigint, change jsonb), pipeline_run r
   where c.change ->> 'status' in ('completed', 'failed', 'cancelled') and r.id = any(v_run_ids) and r.id = c.run
     and a.pipeline_run_id = any(v_run_ids) and a.pipeline_run_id = r.id and a.number = r.attempt;
  insert into pipeline_run_attempt (pipeline_run_id, number, mode, from_block, actor, reason, created_at, status)
    select c.run, (c.change ->> 'attempt')::int, (c.change ->> 'mode')::retry_mode, c.change ->> 'fromBlock', c.change ->> 'actor',
           c.change ->> 'why', p_now, 'initial'
      from jsonb_to_recordset(p_changes) as c(run bigint, change jsonb) where c.change ? 'attempt';
end $$;
