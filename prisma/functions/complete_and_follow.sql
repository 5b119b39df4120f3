-- The commonest step of all, as cheap as it can be: one attempt completed as it should, and the one block run that waited for nothing else
-- goes on in its place. Five small statements, where `step`, which knows every case, needs eight; its rules are those of `step`.
-- Answers with the claim. With no row, nothing is changed and `step` has to do it: the run is ending or has a block_run_limit or
-- callbacks, the attempt is no longer this worker's or was told to stop, or its successor waits for more, is another label's, or has
-- a trigger rule for the planner.
create function complete_and_follow(
  p_worker bigint, p_label text, p_now timestamptz, p_id bigint, p_run bigint, p_fence int, p_cpu float8, p_rss float8, p_pid int,
  p_outputs jsonb, p_tests jsonb, p_dropped int,
  out id bigint, out uuid text, out fence int, out attempt int, out retries int, out timeout_seconds float8,
  out upstream_uuid text, out upstream_outputs jsonb)
returns setof record
language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  r record;
  f record;
  w record;
  v_done boolean;
begin
  update pipeline_run p
     set event_seq = p.event_seq + 3, blocks_initial = p.blocks_initial - 1, blocks_completed = p.blocks_completed + 1
   where p.id = p_run and p.ending_status is null and p.block_run_limit is null and not p.has_callbacks
  returning p.pipeline_uuid, p.attempt, p.event_seq - 3 as seq into r;
  if not found then
    return;
  end if;
  update block_run t
     set status = 'completed', reason_code = 'SUCCEEDED', reason_message = 'It completed.', completed_at = p_now, outputs = coalesce(p_outputs, t.outputs)
   where t.id = p_id and t.fence = p_fence and t.worker_id = p_worker and t.status = 'running' and not t.stop_requested
  returning t.block_uuid, t.attempt, t.queued_at, t.started_at, t.outputs, t.downstream into f;
  v_done := found;
  if v_done then
    update block_run t
       set pending_upstream = 0, status = 'running', queued_at = p_now, started_at = p_now, fence = t.fence + 1, attempt = t.attempt + 1,
           worker_id = p_worker, pid = null
     where t.id = f.downstream[1] and f.downstream[2] is null and t.upstream[2] is null and t.status = 'initial' and t.pending_upstream = 1
       and t.trigger_rule = 'all_success' and t.label = p_label
    returning t.id, t.block_uuid, t.fence, t.attempt, t.retries, t.timeout_seconds into w;
    v_done := found;
    if not v_done then
      update block_run t set status = 'running', reason_code = null, reason_message = null, completed_at = null where t.id = p_id;
    end if;
  end if;
  if not v_done then
    update pipeline_run p
       set event_seq = r.seq, blocks_initial = p.blocks_initial + 1, blocks_completed = p.blocks_completed - 1
     where p.id = p_run;
    return;
  end if;
  insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                             queued_at, started_at, completed_at, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines)
    values (p_id, f.attempt, p_run, r.attempt, p_fence, 'completed', 'SUCCEEDED', 'It completed.', p_worker, p_pid,
            f.queued_at, f.started_at, p_now, p_cpu, p_rss, p_outputs, p_tests, p_dropped);
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
    values (p_run, r.seq + 1, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, p_id, f.block_uuid, f.attempt, 'running', 'completed'),
           (p_run, r.seq + 2, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt - 1, 'initial', 'queued'),
           (p_run, r.seq + 3, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt, 'queued', 'running');
  id := w.id; uuid := w.block_uuid; fence := w.fence; attempt := w.attempt; retries := w.retries; timeout_seconds := w.timeout_seconds;
  upstream_uuid := f.block_uuid; upstream_outputs := f.outputs;
  return next;
end $$;
