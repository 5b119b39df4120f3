-- What a block run is handed, one entry per upstream in the order of its arguments; null when it has none.
create function block_inputs(p_upstream bigint[]) returns json
language sql stable as $$
  select json_agg(json_build_object('uuid', u.block_uuid, 'status', u.status, 'outputs', u.outputs) order by array_position(p_upstream, u.id))
    from block_run u where u.id = any(p_upstream)
$$;
