-- Starts admitted runs: initial → running, and the blocks that wait for nothing are queued, in the same transaction.
-- Of a run with a block_run_limit, as many as that. Runs that are no longer initial are left alone. Returns the runs that started.
create function start_runs(p_runs bigint[], p_now timestamptz) returns bigint[]
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_runs bigint[];
  v_limited boolean;
  v_held bigint[] := '{}';
  v_blocks bigint[];
  v_block_runs bigint[];
  v_uuids text[];
  v_labels text[];
  v_attempts int[];
begin
  select array_agg(l.id), bool_or(l.limited) into v_runs, v_limited
    from (select id, block_run_limit is not null as limited from pipeline_run where id = any(p_runs) and status = 'initial' order by id for no key update) l;
  if v_runs is null then
    return '{}';
  end if;

  if v_limited then
    select coalesce(array_agg(o.id), '{}') into v_held
      from (select b.id, r.block_run_limit, row_number() over (partition by r.id order by b.position) as place
              from pipeline_run r join block_run b on b.pipeline_run_id = any(v_runs) and b.pipeline_run_id = r.id
             where r.id = any(v_runs) and r.block_run_limit is not null and b.status = 'initial' and b.pending_upstream = 0) o
     where o.place > o.block_run_limit;
  end if;

  with queued as (
    update block_run b set status = 'queued', queued_at = p_now
     where b.pipeline_run_id = any(v_runs) and b.status = 'initial' and b.pending_upstream = 0 and b.id <> all(v_held)
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
