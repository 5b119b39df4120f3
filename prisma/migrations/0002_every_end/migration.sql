-- Part 2: every end and every second chance. What conditions, callbacks, sensors, child runs, limits, blockers and batches have to remember.

-- The functions that move runs live in prisma/functions from now on and are installed whenever they change.
CREATE TABLE "sql_functions" (
    "checksum" TEXT NOT NULL,

    CONSTRAINT "sql_functions_pkey" PRIMARY KEY ("checksum")
);

-- ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────
ALTER TABLE "pipeline_run"
    ADD COLUMN "block_run_limit" INTEGER,
    ADD COLUMN "callbacks_open" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "has_callbacks" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "parent_run_id" BIGINT,
    ADD COLUMN "parent_block_run_id" BIGINT,
    ADD COLUMN "parent_run_attempt" INTEGER,
    ADD COLUMN "parent_call" INTEGER,
    ADD COLUMN "parent_waits" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "depth" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "blocker" TEXT;

-- A call of trigger_pipeline that is repeated, because its worker was lost, finds the run that it made.
CREATE UNIQUE INDEX "pipeline_run_parent_block_run_id_parent_run_attempt_parent__key"
    ON "pipeline_run"("parent_block_run_id", "parent_run_attempt", "parent_call");
CREATE INDEX "pipeline_run_parent_run_id_created_at_id_idx" ON "pipeline_run"("parent_run_id", "created_at" DESC, "id" DESC);

-- ── block runs ───────────────────────────────────────────────────────────────────────────────────────────
ALTER TABLE "block_run"
    ADD COLUMN "callbacks" TEXT[] DEFAULT ARRAY[]::TEXT[],
    ADD COLUMN "calls" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "child_run_id" BIGINT;

ALTER TABLE "block_attempt"
    ADD COLUMN "retry_at" TIMESTAMPTZ(3),
    ADD COLUMN "calls" INTEGER;

-- ── callbacks ────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE "callback_run" (
    "id" BIGSERIAL NOT NULL,
    "pipeline_run_id" BIGINT NOT NULL,
    "block_run_id" BIGINT NOT NULL,
    "run_attempt" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "callback_uuid" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'queued',
    "fence" INTEGER NOT NULL DEFAULT 0,
    "losses" INTEGER NOT NULL DEFAULT 0,
    "worker_id" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "error" JSONB,

    CONSTRAINT "callback_run_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "callback_run_pipeline_run_id_id_idx" ON "callback_run"("pipeline_run_id", "id");
-- The few that wait or run.
CREATE INDEX "callback_run_open_idx" ON "callback_run"("label", "id") WHERE "status" IN ('queued', 'running');

ALTER TABLE "callback_run" ADD CONSTRAINT "callback_run_pipeline_run_id_fkey"
    FOREIGN KEY ("pipeline_run_id") REFERENCES "pipeline_run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- ── batches ──────────────────────────────────────────────────────────────────────────────────────────────
CREATE TYPE "batch_action" AS ENUM ('retry', 'cancel', 'delete');
CREATE TYPE "batch_status" AS ENUM ('previewed', 'running', 'completed', 'aborted', 'expired');

CREATE TABLE "batch_operation" (
    "id" BIGSERIAL NOT NULL,
    "action" "batch_action" NOT NULL,
    "status" "batch_status" NOT NULL,
    "actor" TEXT,
    "reason" TEXT,
    "mode" "retry_mode",
    "from_block" TEXT,
    "variables" JSONB NOT NULL DEFAULT '{}',
    "expected_attempt" INTEGER,
    "idempotency_key" TEXT,
    "idempotency_hash" TEXT,
    "total" INTEGER NOT NULL,
    "done" INTEGER NOT NULL DEFAULT 0,
    "succeeded" INTEGER NOT NULL DEFAULT 0,
    "refused" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "completed_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "batch_operation_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "batch_operation_action_idempotency_key_key" ON "batch_operation"("action", "idempotency_key");
CREATE INDEX "batch_operation_created_at_id_idx" ON "batch_operation"("created_at" DESC, "id" DESC);
CREATE INDEX "batch_operation_running_idx" ON "batch_operation"("id") WHERE "status" = 'running';

CREATE TABLE "batch_item" (
    "batch_id" BIGINT NOT NULL,
    "position" INTEGER NOT NULL,
    "pipeline_run_id" BIGINT NOT NULL,
    "is_done" BOOLEAN NOT NULL DEFAULT false,
    "result_run_id" BIGINT,
    "refusal" JSONB,
    "plan" JSONB,
    "frozen_attempt" INTEGER,

    CONSTRAINT "batch_item_pkey" PRIMARY KEY ("batch_id","position")
);
ALTER TABLE "batch_item" ADD CONSTRAINT "batch_item_batch_id_fkey"
    FOREIGN KEY ("batch_id") REFERENCES "batch_operation"("id") ON DELETE CASCADE ON UPDATE CASCADE;
