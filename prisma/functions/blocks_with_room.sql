-- Of block runs that one run has in the queue, those that may be claimed under its block_run_limit. What is queued takes a place already; a retry
-- or a sensor's call that has come due takes one now, if there is one, the longest due first. The others wait without a row in the queue, until the
-- planner sees room for them. A sensor whose time is over takes none: its claim only ends it.
create function blocks_with_room(p_run bigint, p_blocks bigint[], p_now timestamptz) returns bigint[]
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_room int;
  v_blocks bigint[];
begin
  select r.block_run_limit - count(b.id) into v_room
    from pipeline_run r left join block_run b on b.pipeline_run_id = r.id
         and (b.status = 'queued' and b.next_attempt_at is null or b.status = 'running' and b.worker_id is not null and b.child_run_id is null)
   where r.id = p_run group by r.block_run_limit;
  select coalesce(array_agg(c.id), '{}') into v_blocks
    from (select b.id, b.next_attempt_at is null or p_now >= b.started_at + make_interval(secs => b.timeout_seconds) as is_free,
                 row_number() over (order by b.next_attempt_at, b.id) as place
            from block_run b where b.id = any(p_blocks) and (b.status = 'queued' or b.status = 'running' and b.worker_id is null)) c
   where c.is_free or c.place <= v_room;
  return v_blocks;
end $$;
