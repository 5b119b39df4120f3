import type pg from 'pg';

type Client = pg.ClientBase | pg.Pool;

/** Running runs whose deadline has passed at `now`, with the outcome that their timeout asks for; those on their way to an end are left alone. */
export async function runsPastDeadline(
  client: Client,
  now: Date,
): Promise<
  readonly { readonly id: bigint; readonly timeoutStatus: string | null; readonly timeoutSeconds: number | null }[]
> {
  const result = await client.query<{ id: bigint; timeout_status: string | null; timeout_seconds: number | null }>({
    name: 'runs-past-deadline',
    text: `select id, timeout_status, timeout_seconds from pipeline_run
            where timeout_at is not null and status = 'running' and ending_status is null and timeout_at <= $1 order by id limit 100`,
    values: [now],
  });
  return result.rows.map((row) => ({
    id: row.id,
    timeoutStatus: row.timeout_status,
    timeoutSeconds: row.timeout_seconds,
  }));
}

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

export type LateRun = { readonly id: bigint; readonly slaSeconds: number | null; readonly hasEnded: boolean };

/** Runs that did not end before their SLA passed, and that are not marked yet, also when they have ended since; at most 100. */
export async function runsPastSla(client: Client, now: Date): Promise<readonly LateRun[]> {
  const result = await client.query<LateRun>({
    name: 'runs-past-sla',
    text: `select id, sla_seconds as "slaSeconds", false as "hasEnded" from pipeline_run
            where sla_deadline is not null and not passed_sla and status in ('initial', 'running') and sla_deadline <= $1
           union all
           select id, sla_seconds, true from pipeline_run
            where sla_deadline is not null and not passed_sla and completed_at > sla_deadline
            order by id limit 100`,
    values: [now],
  });
  return result.rows;
}

/** Marks a run as late, with its event; one that is marked is left alone, and one that ended in time. In a transaction of its own. */
export async function noteSlaMissed(client: pg.ClientBase, runId: bigint, message: string, now: Date): Promise<void> {
  await client.query({
    name: 'note-sla-missed',
    text: `with noted as (
             update pipeline_run set passed_sla = true, event_seq = event_seq + 1
              where id = $1 and not passed_sla and (status in ('initial', 'running') or completed_at > sla_deadline)
             returning id, event_seq, pipeline_uuid, attempt)
           insert into run_event (pipeline_run_id, seq, at, kind, pipeline_uuid, run_attempt, reason_code, reason_message)
           select id, event_seq, $3, 'sla_missed', pipeline_uuid, attempt, 'OTHER', $2 from noted`,
    values: [runId, message, now],
  });
}

/** The earliest instant at which a timeout or an SLA passes, or passed without anybody seeing it; null when there is none. */
export async function nextDeadline(client: Client): Promise<Date | null> {
  const result = await client.query<{ at: Date | null }>({
    name: 'next-deadline',
    text: `select least(
             (select min(timeout_at) from pipeline_run where timeout_at is not null and status = 'running' and ending_status is null),
             (select min(sla_deadline) from pipeline_run
               where sla_deadline is not null and not passed_sla and status in ('initial', 'running')),
             (select min(sla_deadline) from pipeline_run
               where sla_deadline is not null and not passed_sla and completed_at > sla_deadline)) as at`,
  });
  return result.rows[0]?.at ?? null;
}

/** Block runs that were told to stop before `since` and still run, by run. */
export async function overdueStops(
  client: Client,
  since: Date,
): Promise<readonly { readonly runId: bigint; readonly blockRunIds: readonly bigint[] }[]> {
  const result = await client.query<{ runId: bigint; blockRunIds: bigint[] }>({
    name: 'overdue-stops',
    text: `select pipeline_run_id as "runId", array_agg(id) as "blockRunIds" from block_run
            where pipeline_run_id = any(array(select id from pipeline_run where ending_status is not null))
              and status = 'running' and stop_requested and stop_requested_at < $1
            group by 1 order by 1 limit 100`,
    values: [since],
  });
  return result.rows;
}
