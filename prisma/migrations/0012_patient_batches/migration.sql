-- How often the next piece of a batch has failed, and up to which item they are taken one by one because of that.
ALTER TABLE "batch_operation" ADD COLUMN "failed_tries" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "singly_until" INTEGER NOT NULL DEFAULT 0;
