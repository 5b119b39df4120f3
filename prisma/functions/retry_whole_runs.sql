-- Retries the incomplete block runs of runs as wholes (domain/whole-run.ts): each run has ended, and every block run of it that is not
-- completed goes back to initial. p_versions: the code that each runs from now on. Inside the caller's transaction, which holds the
-- runs' row locks. What was asked is told first, then the block runs in definition order, then the run, as apply_run_plans tells it.
create function retry_whole_runs(
  p_runs bigint[], p_versions text[], p_code text, p_message text, p_actor text, p_why text, p_now timestamptz)
returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_expected bigint;
  v_told int;
  v_blocks int;
  v_runs int;
begin
  select sum(r.blocks_total - r.blocks_completed) into v_expected from pipeline_run r where r.id = any(p_runs);
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                         actor, reason_code, reason_message)
    select t.run, t.seq, p_now, t.kind, t.pipeline, t.run_attempt, t.block, t.uuid, t.attempt, t."from", t."to", t.actor, t.code, t.message from (
      select r.id as run, r.event_seq + 1 as seq, 'run_retried'::run_event_kind as kind, r.pipeline_uuid as pipeline, r.attempt + 1 as run_attempt,
             null::bigint as block, null::text as uuid, null::int as attempt, null::text as "from", null::text as "to",
             p_actor as actor, p_code as code, p_message as message
        from pipeline_run r where r.id = any(p_runs)
      union all
      select r.id, r.event_seq + 1 + (row_number() over (partition by b.pipeline_run_id order by b.position, b.dynamic_index))::int,
             'block_status_changed', r.pipeline_uuid, r.attempt + 1, b.id, b.block_uuid, b.attempt, b.status::text, 'initial', null, null, null
        from block_run b join pipeline_run r on r.id = any(p_runs) and r.id = b.pipeline_run_id
       where b.pipeline_run_id = any(p_runs) and b.status <> 'completed'
      union all
      select r.id, r.event_seq + 2 + r.blocks_total - r.blocks_completed, 'run_status_changed', r.pipeline_uuid, r.attempt + 1,
             null, null, null, r.status::text, 'initial', null, null, null
        from pipeline_run r where r.id = any(p_runs)) t
     order by t.run, t.seq;
  get diagnostics v_told = row_count;
  -- What has not completed waits for those above it that have not: all of them, in a run of which nothing has.
  update block_run b
     set status = 'initial', reason_code = null, reason_message = null, reason_actor = null, error = null,
         pending_upstream = case when r.blocks_completed = 0 then cardinality(b.upstream)
                                 else (select count(*) from block_run u where u.id = any(b.upstream) and u.status <> 'completed') end,
         losses = 0, retries = 0, calls = 0, stop_requested = false, next_attempt_at = null, child_run_id = null,
         queued_at = null, started_at = null, completed_at = null
    from pipeline_run r
   where r.id = any(p_runs) and b.pipeline_run_id = any(p_runs) and b.pipeline_run_id = r.id and b.status <> 'completed';
  get diagnostics v_blocks = row_count;
  update pipeline_run r
     set status = 'initial', ending_status = null, reason_code = null, reason_message = null, reason_actor = null, error = null, blocker = null,
         attempt = r.attempt + 1, code_version = p_versions[array_position(p_runs, r.id)], needs_settling = false,
         event_seq = r.event_seq + 2 + r.blocks_total - r.blocks_completed, blocks_initial = r.blocks_total - r.blocks_completed,
         blocks_failed = 0, blocks_cancelled = 0, blocks_upstream_failed = 0, blocks_condition_failed = 0,
         attempt_created_at = p_now, started_at = null, completed_at = null, cancel_requested_at = null, timed_out = false
   where r.id = any(p_runs) and r.status in ('completed', 'failed', 'cancelled');
  get diagnostics v_runs = row_count;
  if v_runs <> cardinality(p_runs) or v_blocks <> v_expected or v_told <> v_blocks + 2 * v_runs then
    raise exception 'the runs % are not as they were when their retry was decided', p_runs using errcode = '40001';
  end if;
  insert into pipeline_run_attempt (pipeline_run_id, number, mode, actor, reason, created_at, status)
    select r.id, r.attempt, 'incomplete', p_actor, p_why, p_now, 'initial' from pipeline_run r where r.id = any(p_runs) order by r.id;
end $$;
