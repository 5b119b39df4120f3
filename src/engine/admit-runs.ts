import { planAdmission } from '../domain/admission.ts';
import { admissionCandidates } from '../store/admission.ts';
import { startRuns } from '../store/pipeline-runs.ts';
import type { EngineContext } from './context.ts';

/** Runs are started in chunks, so that a flood of starts holds no lock for long. */
const chunk = 50;

/** Starts the initial runs that the limits have room for, in start order. Answers how many started. Safe to call from several schedulers at once. */
export async function admitRuns(context: EngineContext): Promise<number> {
  const { pool } = context.database;
  const admitted = planAdmission(await admissionCandidates(pool));
  let started = 0;
  for (let i = 0; i < admitted.length; i += chunk) {
    started += (await startRuns(pool, admitted.slice(i, i + chunk), context.now())).length;
    context.wake('ready', 'events', 'settle');
  }
  return started;
}
