-- The attempt of a sensor that is cancelled between two calls ends without a worker.
ALTER TABLE "block_attempt" ALTER COLUMN "worker_id" DROP NOT NULL;
