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
           next_attempt_at = null, child_run_id = null,
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
           blocker = case when p_change ? 'attempt' then null else r.blocker end,
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
