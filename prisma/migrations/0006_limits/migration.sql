-- What waits and what runs are asked about apart: admission walks from group to group of what waits (a trigger, or no trigger,
-- of a pipeline) and reads the head of each in start order; limits count what runs, per group.
-- So a thousand runs that one limit holds back never hide a run that may start.
drop index "pipeline_run_active_idx";
create index "pipeline_run_waiting_idx" on "pipeline_run"
  ("pipeline_uuid", (coalesce("trigger_id", 0)), (("cause" = 'backfill')), "execution_date", "id") where "status" = 'initial';
create index "pipeline_run_running_idx" on "pipeline_run" ("pipeline_uuid", "trigger_id", "id") where "status" = 'running';
