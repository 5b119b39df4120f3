-- Batches answer for whatever they were given, also for what is not the id of a run.
ALTER TABLE "batch_item" ADD COLUMN "given_id" TEXT;

-- Runs that were deleted and whose log lines and outputs are still to be cleared away: whoever is killed in between leaves this behind.
CREATE TABLE "deleted_run" (
    "pipeline_run_id" BIGINT NOT NULL,
    "deleted_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "deleted_run_pkey" PRIMARY KEY ("pipeline_run_id")
);

-- A preview is swept when its time is over.
CREATE INDEX "batch_operation_previewed_idx" ON "batch_operation"("expires_at") WHERE "status" = 'previewed';
