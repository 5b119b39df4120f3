-- A tick whose run was skipped by a limit on running runs.
ALTER TYPE "tick_outcome" ADD VALUE 'skipped_limit' BEFORE 'skipped_missed';
