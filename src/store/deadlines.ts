import type pg from 'pg';

/** Notes on a run, which the caller's transaction has locked, that its deadline passed and that it goes on all the same. */
export async function noteDeadlinePassed(
  client: pg.ClientBase,
  runId: bigint,
  message: string,
  now: Date,
): Promise<void> {
  await client.query({
    name: 'note-deadline-passed',
    text: `with noted as (
             update pipeline_run set timed_out = true, timeout_at = null, event_seq = event_seq + 1 where id = $1
             returning id, event_seq, pipeline_uuid, attempt)
           insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, reason_code, reason_message)
           select id, event_seq, $3, 'timed_out', pipeline_uuid, attempt, 'TIMED_OUT', $2 from noted`,
    values: [runId, message, now],
  });
}
