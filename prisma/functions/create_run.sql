-- Creates a run with its block runs, its first attempt and its first event; with p_start it is running at once, which leaves the same rows as
-- start_runs would, without writing them twice. Returns null when another run of the pipeline holds the idempotency key.
-- p_blocks: [{uuid, upstream: [place …], downstream: [place …], rule, label, crashRetries, timeoutSeconds, callbacks}], places counted
-- from 1 in the order of the array. What is left out is as most have it: no neighbours, all_success, 'default', 2 crash retries; of 5,000
-- blocks, reading what most have costs as much as writing the rows.
create function create_run(p_run jsonb, p_blocks jsonb, p_now timestamptz, p_start boolean) returns bigint
language plpgsql as $$
declare
  v_run bigint;
  v_total int := jsonb_array_length(p_blocks);
  v_block_ids regclass := pg_get_serial_sequence('block_run', 'id');
  v_ids bigint[];
  v_made record;
  -- Of a run that starts: how many blocks wait for nothing and have a place under its block_run_limit, and which they are.
  v_first int := 0;
  v_first_ids bigint[];
  v_first_uuids text[];
  v_first_labels text[];
  v_needs_planner boolean;
begin
  if p_start then
    select count(*) into v_first from jsonb_array_elements(p_blocks) b where coalesce(b -> 'upstream', '[]') = '[]';
    v_first := least(v_first, (p_run ->> 'block_run_limit')::int);
  end if;
  insert into pipeline_run (
      pipeline_uuid, pipeline_version, code_version, tags, trigger_id, trigger_name, retry_of_id, root_run_id, cause,
      created_by, execution_date, variables, event_variables, allow_blocks_to_fail, blocks_total, blocks_initial, blocks_queued,
      status, created_at, attempt_created_at, started_at, timeout_at,
      timeout_seconds, timeout_status, sla_seconds, sla_deadline, idempotency_key,
      idempotency_hash, parent_run_id, parent_block_run_id, parent_run_attempt, parent_call, parent_waits, depth, has_callbacks, block_run_limit, event_seq)
    select r.pipeline_uuid, r.pipeline_version, r.pipeline_version, r.tags, r.trigger_id, r.trigger_name, r.retry_of_id,
           r.root_run_id, r.cause, r.created_by, r.execution_date, r.variables, r.event_variables, r.allow_blocks_to_fail,
           v_total, v_total - v_first, v_first, (case when p_start then 'running' else 'initial' end)::pipeline_run_status, p_now, p_now,
           case when p_start then p_now end, case when p_start then p_now + make_interval(secs => r.timeout_seconds) end,
           r.timeout_seconds, r.timeout_status, r.sla_seconds, r.sla_deadline,
           r.idempotency_key, r.idempotency_hash, r.parent_run_id, r.parent_block_run_id, r.parent_run_attempt, r.parent_call,
           coalesce(r.parent_waits, false), coalesce(r.depth, 0), coalesce(r.has_callbacks, false), r.block_run_limit,
           case when p_start then 2 + v_first else 1 end
      from jsonb_to_record(p_run) as r(
        pipeline_uuid text, pipeline_version text, tags text[], trigger_id bigint, trigger_name text, retry_of_id bigint,
        root_run_id bigint, cause run_cause, created_by text, execution_date timestamptz, variables jsonb,
        event_variables jsonb, allow_blocks_to_fail boolean, timeout_seconds float8, timeout_status text,
        sla_seconds float8, sla_deadline timestamptz, idempotency_key text, idempotency_hash text,
        parent_run_id bigint, parent_block_run_id bigint, parent_run_attempt int, parent_call int, parent_waits boolean, depth int, has_callbacks boolean,
        block_run_limit int)
    on conflict (pipeline_uuid, idempotency_key) do nothing
    returning id, pipeline_uuid, created_by into v_made;
  if not found then
    return null;
  end if;
  v_run := v_made.id;

  -- Ids are drawn first, so that each row can name its neighbours.
  select array_agg(nextval(v_block_ids)) into v_ids from generate_series(1, v_total);
  with made as (
    insert into block_run (id, pipeline_run_id, block_uuid, position, pending_upstream, upstream, downstream, trigger_rule,
                           label, crash_retries, timeout_seconds, callbacks, created_at, status, queued_at)
      select v_ids[s.place], v_run, s.uuid, s.place, cardinality(s.upstream),
             -- Places become ids. A subquery per row costs more than the row: only where there is something to look up.
             case when s.upstream = '{}' then '{}' else array(select v_ids[u.place] from unnest(s.upstream) with ordinality u(place, ord) order by u.ord) end,
             case when s.downstream = '{}' then '{}' else array(select v_ids[d.place] from unnest(s.downstream) with ordinality d(place, ord) order by d.ord) end,
             s.rule, s.label, s."crashRetries", s."timeoutSeconds", coalesce(s.callbacks, '{}'), p_now,
             (case when s.upstream = '{}' and s.waiting <= v_first then 'queued' else 'initial' end)::block_run_status,
             case when s.upstream = '{}' and s.waiting <= v_first then p_now end
        from (select b.place, b.uuid, coalesce(b.upstream, '{}') as upstream, coalesce(b.downstream, '{}') as downstream, coalesce(b.rule, 'all_success') as rule,
                     coalesce(b.label, 'default') as label, coalesce(b."crashRetries", 2) as "crashRetries", b."timeoutSeconds", b.callbacks,
                     case when v_first > 0 then count(*) filter (where coalesce(b.upstream, '{}') = '{}') over (order by b.place) else 1 end as waiting
                from rows from (jsonb_to_recordset(p_blocks) as (uuid text, upstream int[], downstream int[], rule trigger_rule, label text,
                                                                 "crashRetries" int, "timeoutSeconds" float8, callbacks text[]))
                     with ordinality as b(uuid, upstream, downstream, rule, label, "crashRetries", "timeoutSeconds", callbacks, place)) s
    returning id, block_uuid, label, status, trigger_rule)
  select array_agg(m.id order by m.id) filter (where m.status = 'queued'), array_agg(m.block_uuid order by m.id) filter (where m.status = 'queued'),
         array_agg(m.label order by m.id) filter (where m.status = 'queued'), bool_or(m.status = 'initial' and m.trigger_rule <> 'all_success')
    into v_first_ids, v_first_uuids, v_first_labels, v_needs_planner from made m;

  insert into pipeline_run_attempt (pipeline_run_id, number, actor, created_at, status, started_at)
    values (v_run, 1, v_made.created_by, p_now, (case when p_start then 'running' else 'initial' end)::pipeline_run_status, case when p_start then p_now end);
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, to_status, actor)
    values (v_run, 1, p_now, 'run_created', v_made.pipeline_uuid, 1, 'initial', v_made.created_by);
  if not p_start then
    return v_run;
  end if;

  -- The priority is the number of the run's block runs that stand before this one: a new run's first block goes before
  -- another run's 5,000th.
  insert into ready (block_run_id, run_id, label, prio, run_at)
    select q.id, v_run, q.label, least(1000, q.ord - 1), p_now from unnest(v_first_ids, v_first_labels) with ordinality q(id, label, ord);
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, from_status, to_status)
    values (v_run, 2, p_now, 'run_status_changed', v_made.pipeline_uuid, 1, 'initial', 'running');
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
    select v_run, 2 + q.ord, p_now, 'block_status_changed', v_made.pipeline_uuid, 1, q.id, q.uuid, 0, 'initial', 'queued'
      from unnest(v_first_ids, v_first_uuids) with ordinality q(id, uuid, ord);
  -- Rules other than all_success, and a run with nothing to do, are for the planner.
  if v_total = 0 or v_needs_planner then
    update pipeline_run p set needs_settling = true where p.id = v_run;
  end if;
  return v_run;
end $$;
