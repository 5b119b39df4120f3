-- When a block run was told to stop: one that nobody answers for is given up, some time after.
ALTER TABLE "block_run" ADD COLUMN "stop_requested_at" TIMESTAMPTZ(3);

-- The few runs that somebody is to be told of when they take too long.
CREATE INDEX "pipeline_run_sla_idx" ON "pipeline_run" ("sla_deadline")
  WHERE "sla_deadline" IS NOT NULL AND NOT "passed_sla" AND "status" IN ('initial', 'running');
-- The few runs that are on their way to an end.
CREATE INDEX "pipeline_run_ending_idx" ON "pipeline_run" ("id") WHERE "ending_status" IS NOT NULL;
