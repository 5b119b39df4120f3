-- Creates a run with its block runs, its first attempt and its first event. Returns null when another run of the pipeline
-- holds the idempotency key. p_blocks: [{uuid, upstream: [place …], downstream: [place …], rule, label, crashRetries,
-- timeoutSeconds, callbacks}], places counted from 1 in the order of the array.
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
      idempotency_hash, parent_run_id, parent_block_run_id, parent_run_attempt, parent_call, parent_waits, depth, has_callbacks, block_run_limit, event_seq)
    select r.pipeline_uuid, r.pipeline_version, r.pipeline_version, r.tags, r.trigger_id, r.trigger_name, r.retry_of_id,
           r.root_run_id, r.cause, r.created_by, r.execution_date, r.variables, r.event_variables, r.allow_blocks_to_fail,
           v_total, v_total, p_now, p_now, r.timeout_seconds, r.timeout_status, r.sla_seconds, r.sla_deadline,
           r.idempotency_key, r.idempotency_hash, r.parent_run_id, r.parent_block_run_id, r.parent_run_attempt, r.parent_call,
           coalesce(r.parent_waits, false), coalesce(r.depth, 0), coalesce(r.has_callbacks, false), r.block_run_limit, 1
      from jsonb_to_record(p_run) as r(
        pipeline_uuid text, pipeline_version text, tags text[], trigger_id bigint, trigger_name text, retry_of_id bigint,
        root_run_id bigint, cause run_cause, created_by text, execution_date timestamptz, variables jsonb,
        event_variables jsonb, allow_blocks_to_fail boolean, timeout_seconds float8, timeout_status text,
        sla_seconds float8, sla_deadline timestamptz, idempotency_key text, idempotency_hash text,
        parent_run_id bigint, parent_block_run_id bigint, parent_run_attempt int, parent_call int, parent_waits boolean, depth int, has_callbacks boolean,
        block_run_limit int)
    on conflict (pipeline_uuid, idempotency_key) do nothing
    returning id into v_run;
  if v_run is null then
    return null;
  end if;

  -- Ids are drawn first, so that each row can name its neighbours.
  select array_agg(nextval(pg_get_serial_sequence('block_run', 'id'))) into v_ids from generate_series(1, v_total);
  insert into block_run (id, pipeline_run_id, block_uuid, position, pending_upstream, upstream, downstream, trigger_rule,
                         label, crash_retries, timeout_seconds, callbacks, created_at)
    select v_ids[s.place], v_run, s.uuid, s.place, cardinality(s.upstream),
           -- Places become ids. A subquery per row costs more than the row: only where there is something to look up.
           case when s.upstream = '{}' then '{}' else array(select v_ids[u.place] from unnest(s.upstream) with ordinality u(place, ord) order by u.ord) end,
           case when s.downstream = '{}' then '{}' else array(select v_ids[d.place] from unnest(s.downstream) with ordinality d(place, ord) order by d.ord) end,
           s.rule, s.label, s."crashRetries", s."timeoutSeconds", coalesce(s.callbacks, '{}'), p_now
      from rows from (jsonb_to_recordset(p_blocks) as (uuid text, upstream int[], downstream int[], rule trigger_rule, label text, "crashRetries" int,
                                                       "timeoutSeconds" float8, callbacks text[]))
           with ordinality as s(uuid, upstream, downstream, rule, label, "crashRetries", "timeoutSeconds", callbacks, place);

  insert into pipeline_run_attempt (pipeline_run_id, number, actor, created_at, status)
    select id, 1, created_by, p_now, 'initial' from pipeline_run where id = v_run;
  insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, to_status, actor)
    select id, 1, p_now, 'run_created', pipeline_uuid, 1, 'initial', created_by from pipeline_run where id = v_run;
  return v_run;
end $$;
