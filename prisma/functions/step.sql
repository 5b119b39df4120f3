-- One step of one worker: what finished is finished, what became ready is queued, what is free is claimed, runs that
-- are over end; one round trip, one commit.
--   p_want: free slots. p_look: whether to look into the queue for them, or to claim only what becomes ready here.
--   What finished: parallel arrays, one place per attempt, by ascending run; outcome = completed | failed | retry | requeue |
--   wait (a sensor said no) | stopped | condition_failed.
--   p_details: {code, message, error, outputs, tests, dropped, retryAt, calls} or null, which is a plain completion.
-- Answers with JSON objects: a claim, with what is needed to start it ({ids: […], uuids: […], …} for several of one run);
-- {settle: run} for each run that waits for engine/settle-runs.ts, {ended: run} for each that is over, {callbacks: true} when callback runs were made, and {more: true} when the
-- queue may hold more than fitted.
-- Run after run, in ascending order. Few and small statements: each costs more to set up than a row to move, and so does each
-- argument of a JSON function. Rows are found by `= any(array)` and their facts by array_position, because a join with unnest
-- costs as much again. An attempt is written once, at its end: until then the block run itself holds what is known of it.
create function step(
  p_worker bigint, p_label text, p_want int, p_look boolean, p_now timestamptz,
  p_ids bigint[], p_runs bigint[], p_fences int[], p_outcomes text[], p_cpus float8[], p_rss float8[], p_pids int[],
  p_details jsonb[])
returns setof json
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_finishes int := cardinality(p_ids);
  v_first int := 1;
  v_last int;
  v_ready_blocks bigint[];
  v_ready_runs bigint[];
  v_readies int := 0;
  v_ready int := 1;
  v_ready_last int;
  v_waiting bigint[];
  -- Slots for what becomes ready here.
  v_room int := p_want;
  -- The run at hand, and what changes on it.
  v_run bigint;
  r record;
  v_seq int;
  v_initial int; v_queued int; v_running int; v_completed int; v_failed int; v_cancelled int; v_skipped int;
  v_settle boolean;
  v_done_ids bigint[]; v_done_uuids text[]; v_done_outputs jsonb[];
  v_down bigint[];
  v_below bigint;
  v_place int;
  v_fresh int;
  v_detail jsonb;
  v_done boolean;
  v_inputs json;
  v_claims json;
  -- A block run that finished (the common way, another), that was claimed, that was queued.
  f record;
  b record;
  w record;
  q record;
begin
  -- What waits, of the least busy runs first. Rows that another worker is taking are skipped, never waited for.
  if p_look and p_want > 0 then
    with taken as (
      delete from ready x
       where x.ctid = any(array(select c.ctid from ready c where c.label = p_label and c.run_at <= p_now
                                 order by c.prio, c.id limit p_want for update skip locked))
      returning x.block_run_id, x.run_id)
    select array_agg(t.block_run_id order by t.run_id, t.block_run_id), array_agg(t.run_id order by t.run_id, t.block_run_id), count(*)
      into v_ready_blocks, v_ready_runs, v_readies from taken t;
    v_room := p_want - v_readies;
  end if;

  while v_first <= v_finishes or v_ready <= v_readies loop
    v_run := least(p_runs[v_first], v_ready_runs[v_ready]);
    select p.pipeline_uuid, p.code_version, p.attempt, p.event_seq, p.ending_status is not null as ending,
           p.blocks_total - p.blocks_completed - p.blocks_condition_failed as unfinished, p.blocks_queued + p.blocks_running as busy,
           p.blocks_initial, p.has_callbacks, p.block_run_limit is not null as limited
      into r from pipeline_run p where p.id = v_run for no key update;
    v_seq := r.event_seq;
    v_initial := 0; v_queued := 0; v_running := 0; v_completed := 0; v_failed := 0; v_cancelled := 0; v_skipped := 0;
    -- With a block_run_limit the planner decides what is queued, whenever something may have made room.
    v_settle := r.limited and v_first <= v_finishes and p_runs[v_first] = v_run;

    if p_runs[v_first] = v_run then
      v_last := v_first;
      while p_runs[v_last + 1] = v_run loop
        v_last := v_last + 1;
      end loop;

      -- Finish what is still this worker's: same fence, same worker, still running. First the common end, of one …
      if v_last = v_first and p_outcomes[v_first] = 'completed' then
        v_detail := p_details[v_first];
        update block_run t
           set status = 'completed', reason_code = 'SUCCEEDED', reason_message = 'It completed.', completed_at = p_now,
               outputs = coalesce(v_detail -> 'outputs', t.outputs)
         where t.id = p_ids[v_first] and t.fence = p_fences[v_first] and t.worker_id = p_worker and t.status = 'running' and not t.stop_requested
        returning t.id, t.block_uuid, t.attempt, t.fence, t.queued_at, t.started_at, t.outputs, t.downstream into f;
        v_done_ids := '{}';
        v_down := '{}';
        if found then
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines, calls)
            values (f.id, f.attempt, v_run, r.attempt, f.fence, 'completed', 'SUCCEEDED', 'It completed.', p_worker, p_pids[v_first],
                    f.queued_at, f.started_at, p_now, p_cpus[v_first], p_rss[v_first], v_detail -> 'outputs', v_detail -> 'tests',
                    coalesce((v_detail ->> 'dropped')::int, 0), (v_detail ->> 'calls')::int);
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            values (v_run, v_seq + 1, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, f.id, f.block_uuid, f.attempt, 'running', 'completed');
          v_completed := 1;
          v_done_ids := array[f.id];
          v_done_uuids := array[f.block_uuid];
          v_done_outputs := array[f.outputs];
          v_down := f.downstream;
        end if;
      else
        -- … or of several, in one statement: for one it costs more to set up than three small ones.
        with done as (
          update block_run t
             set status = 'completed', reason_code = 'SUCCEEDED', reason_message = 'It completed.', completed_at = p_now,
                 outputs = coalesce(p_details[array_position(p_ids, t.id)] -> 'outputs', t.outputs)
           where t.id = any(p_ids[v_first:v_last]) and t.status = 'running' and t.worker_id = p_worker and not t.stop_requested
             and t.fence = p_fences[array_position(p_ids, t.id)] and p_outcomes[array_position(p_ids, t.id)] = 'completed'
          returning t.id, t.block_uuid, t.attempt, t.fence, t.queued_at, t.started_at, t.outputs, t.downstream, array_position(p_ids, t.id) as place),
        kept as (
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines, calls)
            select d.id, d.attempt, v_run, r.attempt, d.fence, 'completed', 'SUCCEEDED', 'It completed.', p_worker, p_pids[d.place],
                   d.queued_at, d.started_at, p_now, p_cpus[d.place], p_rss[d.place], p_details[d.place] -> 'outputs',
                   p_details[d.place] -> 'tests', coalesce((p_details[d.place] ->> 'dropped')::int, 0), (p_details[d.place] ->> 'calls')::int from done d),
        told as (
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            select v_run, v_seq + row_number() over (), p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, d.id, d.block_uuid, d.attempt,
                   'running', 'completed' from done d)
        select count(*), coalesce(array_agg(d.id), '{}'), array_agg(d.block_uuid), array_agg(d.outputs), array(select unnest(d.downstream) from done d)
          into v_completed, v_done_ids, v_done_uuids, v_done_outputs, v_down from done d;
      end if;
      v_seq := v_seq + v_completed;
      v_running := - v_completed;

      -- … then every other, also a completion that comes when its run already ends. The attempt keeps what truly became of it,
      -- also when its block run is cancelled.
      if v_completed <= v_last - v_first then
        for i in v_first .. v_last loop
          continue when p_ids[i] = any(v_done_ids);
          v_detail := p_details[i];
          update block_run t
             set status = (case
                   when t.stop_requested or p_outcomes[i] = 'stopped' then 'cancelled'
                   when p_outcomes[i] in ('failed', 'condition_failed') then p_outcomes[i]
                   when p_outcomes[i] = 'wait' then 'running'
                   else 'queued' end)::block_run_status,
                 reason_code = case when t.stop_requested then coalesce(t.reason_code, 'RUN_ENDED') when p_outcomes[i] <> 'wait' then v_detail ->> 'code' end,
                 reason_message = case when t.stop_requested then coalesce(t.reason_message, 'Its run ended.') when p_outcomes[i] <> 'wait' then v_detail ->> 'message' end,
                 error = v_detail -> 'error',
                 outputs = coalesce(v_detail -> 'outputs', t.outputs),
                 completed_at = case when p_outcomes[i] in ('retry', 'requeue', 'wait') and not t.stop_requested then null else p_now end,
                 retries = t.retries + case when p_outcomes[i] = 'retry' then 1 else 0 end,
                 calls = case when p_outcomes[i] in ('retry', 'requeue') then 0 else coalesce((v_detail ->> 'calls')::int, t.calls) end,
                 worker_id = case when p_outcomes[i] = 'wait' and not t.stop_requested then null else t.worker_id end,
                 next_attempt_at = case when t.stop_requested then null else (v_detail ->> 'retryAt')::timestamptz end
           where t.id = p_ids[i] and t.fence = p_fences[i] and t.worker_id = p_worker and t.status = 'running'
          returning t.id, t.block_uuid, t.attempt, t.fence, t.status::text as status, t.reason_code, t.reason_message, t.label, t.next_attempt_at,
                    t.queued_at, t.started_at, t.timeout_seconds into b;
          continue when not found;
          -- Between two calls a sensor stays running, without a worker and without a word.
          if b.status = 'running' then
            insert into ready (block_run_id, run_id, label, prio, run_at)
              values (b.id, v_run, b.label, least(1000, r.busy), least(b.next_attempt_at, b.started_at + make_interval(secs => b.timeout_seconds)));
            continue;
          end if;
          insert into block_attempt (block_run_id, number, pipeline_run_id, run_attempt, fence, status, reason_code, reason_message, worker_id, pid,
                                     queued_at, started_at, completed_at, error, cpu_time_ms, max_rss_bytes, outputs, tests, dropped_lines, retry_at, calls)
            values (b.id, b.attempt, v_run, r.attempt, b.fence,
                    (case when p_outcomes[i] = 'completed' then 'completed' when p_outcomes[i] in ('stopped', 'requeue', 'wait') then 'cancelled'
                          when p_outcomes[i] = 'condition_failed' then 'condition_failed' else 'failed' end)::block_run_status,
                    case when p_outcomes[i] = 'wait' then b.reason_code else coalesce(v_detail ->> 'code', 'SUCCEEDED') end,
                    case when p_outcomes[i] = 'wait' then b.reason_message else coalesce(v_detail ->> 'message', 'It completed.') end, p_worker, p_pids[i],
                    b.queued_at, b.started_at, p_now, v_detail -> 'error', p_cpus[i], p_rss[i], v_detail -> 'outputs', v_detail -> 'tests',
                    coalesce((v_detail ->> 'dropped')::int, 0), b.next_attempt_at, (v_detail ->> 'calls')::int);
          v_seq := v_seq + 1;
          v_running := v_running - 1;
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status,
                                 reason_code, reason_message)
            values (v_run, v_seq, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, b.id, b.block_uuid, b.attempt, 'running', b.status,
                    b.reason_code, b.reason_message);
          if b.status = 'queued' then
            v_queued := v_queued + 1;
            update block_run t set queued_at = p_now where t.id = b.id;
            if b.next_attempt_at is not null then
              v_seq := v_seq + 1;
              insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, reason_code, reason_message)
                values (v_run, v_seq, p_now, 'block_retry_scheduled', r.pipeline_uuid, r.attempt, b.id, b.block_uuid, b.attempt, b.reason_code,
                        b.block_uuid || ' is tried again at ' || to_char(b.next_attempt_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '.');
            end if;
            insert into ready (block_run_id, run_id, label, prio, run_at)
              values (b.id, v_run, b.label, least(1000, r.busy), coalesce(b.next_attempt_at, p_now));
          else
            -- A failure or a cancel is for the planner.
            v_settle := true;
            case b.status
              when 'failed' then v_failed := v_failed + 1;
              when 'condition_failed' then v_skipped := v_skipped + 1;
              else v_cancelled := v_cancelled + 1;
            end case;
          end if;
        end loop;
      end if;
      if r.has_callbacks and add_callbacks(p_ids[v_first:v_last], p_now) > 0 then
        return next '{"callbacks": true}'::json;
      end if;
      v_first := v_last + 1;

      -- What waited for a completed one waits for one less. What waits for nothing more is claimed at once while there is room, else
      -- queued; rules other than all_success are for the planner.
      foreach v_below in array v_down loop
        v_done := false;
        if v_room > 0 and not r.limited then
          update block_run t
             set pending_upstream = 0, status = 'running', queued_at = p_now, started_at = p_now, fence = t.fence + 1, attempt = t.attempt + 1,
                 worker_id = p_worker, pid = null
           where t.id = v_below and t.status = 'initial' and t.pending_upstream = 1 and t.trigger_rule = 'all_success' and t.label = p_label
          returning t.id, t.block_uuid, t.attempt, t.fence, t.retries, t.timeout_seconds, t.upstream into w;
          v_done := found;
        end if;
        if not v_done then
          update block_run t
             set pending_upstream = t.pending_upstream - 1,
                 status = (case when t.pending_upstream = 1 and t.trigger_rule = 'all_success' and not r.limited then 'queued' else 'initial' end)::block_run_status,
                 queued_at = case when t.pending_upstream = 1 and t.trigger_rule = 'all_success' and not r.limited then p_now end
           where t.id = v_below and t.status = 'initial'
          returning t.id, t.block_uuid, t.status, t.attempt, t.label, t.trigger_rule into q;
          continue when not found;
          v_settle := v_settle or q.trigger_rule <> 'all_success';
          continue when q.status = 'initial';
          v_initial := v_initial - 1;
          v_queued := v_queued + 1;
          v_seq := v_seq + 1;
          insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
            values (v_run, v_seq, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, q.id, q.block_uuid, q.attempt, 'initial', 'queued');
          insert into ready (block_run_id, run_id, label, prio, run_at)
            values (q.id, v_run, q.label, least(1000, r.busy + v_queued + v_running), p_now);
          continue;
        end if;
        v_initial := v_initial - 1;
        v_room := v_room - 1;
        v_running := v_running + 1;
        insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
          values (v_run, v_seq + 1, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt - 1, 'initial', 'queued'),
                 (v_run, v_seq + 2, p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, w.id, w.block_uuid, w.attempt, 'queued', 'running');
        v_seq := v_seq + 2;
        if w.upstream[2] is null then
          -- Its one upstream is a block that completed just now.
          v_place := array_position(v_done_ids, w.upstream[1]);
          v_inputs := json_build_array(json_build_object('uuid', v_done_uuids[v_place], 'status', 'completed', 'outputs', v_done_outputs[v_place]));
        else
          v_inputs := block_inputs(w.upstream);
        end if;
        return next json_build_object(
          'id', w.id, 'run', v_run, 'uuid', w.block_uuid, 'fence', w.fence, 'attempt', w.attempt, 'retries', w.retries, 'runAttempt', r.attempt,
          'pipeline', r.pipeline_uuid, 'version', r.code_version, 'timeoutSeconds', w.timeout_seconds, 'inputs', v_inputs);
      end loop;
    end if;

    -- Claim what waited. A ready row is a hint: one that is stale or double claims nothing. A sensor whose next call or deadline has come is
    -- running already: it goes on, in the attempt that it is in.
    if v_ready_runs[v_ready] = v_run then
      v_ready_last := v_ready;
      while v_ready_runs[v_ready_last + 1] = v_run loop
        v_ready_last := v_ready_last + 1;
      end loop;
      v_waiting := v_ready_blocks[v_ready:v_ready_last];
      if r.limited then
        v_waiting := blocks_with_room(v_run, v_waiting, p_now);
      end if;
      with claimed as (
        update block_run t
           set status = 'running', fence = t.fence + 1, attempt = t.attempt + (t.status = 'queued')::int, worker_id = p_worker, pid = null,
               started_at = case t.status when 'queued' then p_now else t.started_at end,
               completed_at = null, error = null, reason_code = null, reason_message = null, reason_actor = null, next_attempt_at = null
         where t.id = any(v_waiting) and (t.status = 'queued' or t.status = 'running' and t.worker_id is null
                 and p_now >= least(t.next_attempt_at, t.started_at + make_interval(secs => t.timeout_seconds)))
        returning t.id, t.block_uuid, t.attempt, t.fence, t.retries, t.timeout_seconds, t.upstream, t.calls, t.started_at),
      told as (
        insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, block_run_id, block_uuid, attempt, from_status, to_status)
          select v_run, v_seq + row_number() over (), p_now, 'block_status_changed', r.pipeline_uuid, r.attempt, c.id, c.block_uuid, c.attempt,
                 'queued', 'running' from claimed c where c.calls = 0)
      select count(*), count(*) filter (where c.calls = 0), json_build_object(
               'run', v_run, 'runAttempt', r.attempt, 'pipeline', r.pipeline_uuid, 'version', r.code_version, 'ids', array_agg(c.id),
               'uuids', array_agg(c.block_uuid), 'fences', array_agg(c.fence), 'attempts', array_agg(c.attempt), 'retries', array_agg(c.retries),
               'timeouts', array_agg(case when c.calls = 0 or c.timeout_seconds is null then c.timeout_seconds
                                            else greatest(0, c.timeout_seconds - extract(epoch from p_now - c.started_at)) end),
               'calls', array_agg(c.calls), 'inputs', json_agg(case when c.upstream <> '{}' then block_inputs(c.upstream) end))
        into v_place, v_fresh, v_claims from claimed c;
      v_ready := v_ready_last + 1;
      if v_place > 0 then
        v_seq := v_seq + v_fresh;
        v_queued := v_queued - v_fresh;
        v_running := v_running + v_fresh;
        return next v_claims;
      end if;
    end if;

    continue when v_seq = r.event_seq and not v_settle;
    if v_completed = r.unfinished and not r.ending and not r.has_callbacks then
      -- An ordinary end is decided here.
      update pipeline_run p
         set event_seq = v_seq + 1, blocks_running = p.blocks_running + v_running, blocks_completed = p.blocks_completed + v_completed,
             status = 'completed', completed_at = p_now, reason_code = 'SUCCEEDED', reason_message = 'Every block completed.', timeout_at = null
       where p.id = v_run;
      insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, from_status, to_status, reason_code, reason_message)
        values (v_run, v_seq + 1, p_now, 'run_status_changed', r.pipeline_uuid, r.attempt, 'running', 'completed', 'SUCCEEDED', 'Every block completed.');
      update pipeline_run_attempt a
         set status = 'completed', completed_at = p_now, reason_code = 'SUCCEEDED', reason_message = 'Every block completed.'
       where a.pipeline_run_id = v_run and a.number = r.attempt;
      return next json_build_object('ended', v_run);
      continue;
    end if;
    -- A retry from a block leaves others as they ended, so a run can be over without all of its blocks completed.
    v_settle := v_settle or (r.ending and v_completed > 0) or r.blocks_initial + v_initial + r.busy + v_queued + v_running = 0;
    update pipeline_run p
       set event_seq = v_seq, blocks_initial = p.blocks_initial + v_initial, blocks_queued = p.blocks_queued + v_queued,
           blocks_running = p.blocks_running + v_running, blocks_completed = p.blocks_completed + v_completed,
           blocks_failed = p.blocks_failed + v_failed, blocks_cancelled = p.blocks_cancelled + v_cancelled, blocks_condition_failed = p.blocks_condition_failed + v_skipped,
           needs_settling = p.needs_settling or v_settle
     where p.id = v_run;
    if v_settle then
      return next json_build_object('settle', v_run);
    end if;
  end loop;
  -- Also when what was taken was stale: then there were fewer claims than rows.
  if v_readies > 0 and v_readies = p_want then
    return next '{"more": true}'::json;
  end if;
end $$;
