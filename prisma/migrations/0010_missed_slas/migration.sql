-- The few runs that ended later than their SLA allowed while nobody was there to see it.
CREATE INDEX "pipeline_run_late_idx" ON "pipeline_run" ("sla_deadline")
  WHERE "sla_deadline" IS NOT NULL AND NOT "passed_sla" AND "completed_at" > "sla_deadline";
