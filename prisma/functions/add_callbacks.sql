-- Makes a callback run for each callback of those of the block runs that have ended after they had started: success, failure or cancelled.
-- Called in the transaction that ended them, under their run's lock. Answers how many were made; the run does not end before they have.
-- A report that is repeated, because its answer was lost, makes no second ones.
create function add_callbacks(p_block_runs bigint[], p_now timestamptz) returns int
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
  v_made int;
begin
  with made as (
    insert into callback_run (pipeline_run_id, block_run_id, run_attempt, attempt, callback_uuid, kind, label, created_at)
      select b.pipeline_run_id, b.id, r.attempt, b.attempt, c.uuid,
             case b.status when 'completed' then 'success' when 'failed' then 'failure' else 'cancelled' end, b.label, p_now
        from block_run b join pipeline_run r on r.id = b.pipeline_run_id cross join lateral unnest(b.callbacks) with ordinality c(uuid, place)
       where b.id = any(p_block_runs) and b.status in ('completed', 'failed', 'cancelled') and b.started_at is not null
         and not exists (select 1 from callback_run made_before where made_before.pipeline_run_id = b.pipeline_run_id
                           and made_before.block_run_id = b.id and made_before.attempt = b.attempt)
       order by b.id, c.place
    returning pipeline_run_id),
  counted as (select m.pipeline_run_id, count(*)::int as n from made m group by 1),
  opened as (
    update pipeline_run r set callbacks_open = r.callbacks_open + c.n from counted c where r.id = c.pipeline_run_id)
  select coalesce(sum(c.n), 0) into v_made from counted c;
  return v_made;
end $$;
