-- The few child runs that have not ended while a block waits for them: they end with it.
create index "pipeline_run_awaited_idx" on "pipeline_run" ("id") where "parent_waits" and "status" in ('initial', 'running');
