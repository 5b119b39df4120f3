-- Cancels runs as wholes (domain/whole-run.ts): each is active, on its way to no other end, and nothing of it runs. Its block runs that
-- have not begun are cancelled, and so is the run. Inside the caller's transaction, which holds the runs' row locks.
-- What was asked is told first, then the block runs in definition order, then the run: as apply_run_plans tells it, for a third of
-- its price, because nothing is sent for a block run. The history is written from the rows before they change.
create function cancel_whole_runs(p_runs bigint[], p_code text, p_message text, p_actor text, p_now timestamptz) returns void
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_expected bigint;
  v_told int;
  v_blocks int;
  v_runs int;
begin
  select sum(r.blocks_initial + r.blocks_queued) into v_expected from pipeline_run r where r.id = any(p_runs);
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                         actor, reason_code, reason_message)
    select t.run, t.seq, p_now, t.kind, t.pipeline, t.run_attempt, t.block, t.uuid, t.attempt, t."from", t."to", p_actor, p_code, p_message from (
      select r.id as run, r.event_seq + 1 as seq, 'cancel_requested'::run_event_kind as kind, r.pipeline_uuid as pipeline, r.attempt as run_attempt,
             null::bigint as block, null::text as uuid, null::int as attempt, null::text as "from", null::text as "to"
        from pipeline_run r where r.id = any(p_runs)
      union all
      select r.id, r.event_seq + 1 + (row_number() over (partition by b.pipeline_run_id order by b.position, b.dynamic_index))::int,
             'block_status_changed', r.pipeline_uuid, r.attempt, b.id, b.block_uuid, b.attempt, b.status::text, 'cancelled'
        from block_run b join pipeline_run r on r.id = any(p_runs) and r.id = b.pipeline_run_id
       where b.pipeline_run_id = any(p_runs) and b.status in ('initial', 'queued')
      union all
      select r.id, r.event_seq + 2 + r.blocks_initial + r.blocks_queued, 'run_status_changed', r.pipeline_uuid, r.attempt,
             null, null, null, r.status::text, 'cancelled'
        from pipeline_run r where r.id = any(p_runs)) t
     order by t.run, t.seq;
  get diagnostics v_told = row_count;
  update block_run
     set status = 'cancelled', reason_code = p_code, reason_message = p_message, reason_actor = p_actor, stop_requested = false,
         next_attempt_at = null, child_run_id = null, completed_at = p_now
   where pipeline_run_id = any(p_runs) and status in ('initial', 'queued');
  get diagnostics v_blocks = row_count;
  update pipeline_run
     set status = 'cancelled', reason_code = p_code, reason_message = p_message, reason_actor = p_actor, needs_settling = false,
         event_seq = event_seq + 2 + blocks_initial + blocks_queued, blocks_cancelled = blocks_cancelled + blocks_initial + blocks_queued,
         blocks_initial = 0, blocks_queued = 0, cancel_requested_at = p_now, completed_at = p_now, timeout_at = null
   where id = any(p_runs) and status in ('initial', 'running') and ending_status is null and blocks_running = 0 and callbacks_open = 0;
  get diagnostics v_runs = row_count;
  if v_runs <> cardinality(p_runs) or v_blocks <> v_expected or v_told <> v_blocks + 2 * v_runs then
    raise exception 'the runs % are not as they were when their cancel was decided', p_runs using errcode = '40001';
  end if;
  update pipeline_run_attempt a
     set status = 'cancelled', completed_at = p_now, reason_code = p_code, reason_message = p_message, reason_actor = p_actor
    from pipeline_run r
   where r.id = any(p_runs) and a.pipeline_run_id = any(p_runs) and a.pipeline_run_id = r.id and a.number = r.attempt;
end $$;
