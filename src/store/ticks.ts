import type pg from 'pg';

type Client = pg.ClientBase | pg.Pool;

/** Of the given ticks, those that fired already (or whose trigger has a run for that date), as "triggerId key". */
export async function firedKeys(
  client: Client,
  ticks: readonly { readonly triggerId: bigint; readonly key: string; readonly scheduledFor: Date }[],
): Promise<ReadonlySet<string>> {
  if (ticks.length === 0) return new Set();
  const result = await client.query<{ trigger_id: bigint; key: string }>({
    name: 'fired-keys',
    text: `select d.trigger_id, d.key from unnest($1::bigint[], $2::text[], $3::timestamptz[]) d(trigger_id, key, date)
            where exists (select 1 from trigger_tick t where t.trigger_id = d.trigger_id and t.key = d.key)
               or exists (select 1 from pipeline_run r where r.trigger_id = d.trigger_id and r.execution_date = d.date
                                                        and r.cause = 'schedule')`,
    values: [ticks.map((t) => t.triggerId), ticks.map((t) => t.key), ticks.map((t) => t.scheduledFor)],
  });
  return new Set(result.rows.map((row) => `${row.trigger_id} ${row.key}`));
}

/** Enters a tick as fired; null when somebody else did. */
export async function reserveTick(
  client: Client,
  triggerId: bigint,
  key: string,
  scheduledFor: Date,
  now: Date,
): Promise<bigint | null> {
  const result = await client.query<{ id: bigint }>({
    name: 'reserve-tick',
    text: `insert into trigger_tick (trigger_id, key, scheduled_for, last_scheduled_for, at, outcome)
           values ($1, $2, $3, $3, $4, 'fired') on conflict (trigger_id, key) do nothing returning id`,
    values: [triggerId, key, scheduledFor, now],
  });
  return result.rows[0]?.id ?? null;
}

/** Says what became of a tick. */
export async function completeTick(
  client: Client,
  tickId: bigint,
  outcome: 'fired' | 'failed',
  runId: bigint | null,
  message: string | null,
): Promise<void> {
  await client.query({
    name: 'complete-tick',
    text: 'update trigger_tick set outcome = $2::tick_outcome, pipeline_run_id = $3, message = $4 where id = $1',
    values: [tickId, outcome, runId, message],
  });
}

/** A trigger that fires once becomes inactive when it does. */
export async function switchOff(client: Client, triggerId: bigint, now: Date): Promise<void> {
  await client.query(`update trigger set status = 'inactive', updated_at = $2 where id = $1`, [triggerId, now]);
}
