-- Whether a worker said at its newest beat that it rests: only then does it beat every 10 s instead of every half second.
ALTER TABLE "worker_beat" ADD COLUMN "rests" BOOLEAN NOT NULL DEFAULT false;
