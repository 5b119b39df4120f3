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
            where exists (select 1 from trigger_tick t where t.trigger_id = d.trigger_id
                            and (t.key = d.key or t.count > 1 and d.date between t.scheduled_for and t.last_scheduled_for))
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

/**
 * Says of the tick that made a run that the run was skipped by a limit. Skips in a row become one tick: that of the newest, which
 * counts them and says since when. A run that no tick made is left alone.
 */
export async function noteSkippedTick(client: pg.ClientBase, runId: bigint, message: string): Promise<void> {
  const skipped = await client.query<{ id: bigint; trigger_id: bigint; scheduled_for: Date }>({
    name: 'note-skipped-tick',
    text: `update trigger_tick t set outcome = 'skipped_limit', message = $2 from pipeline_run r
            where r.id = $1 and t.trigger_id = r.trigger_id and t.pipeline_run_id = r.id and t.outcome = 'fired'
           returning t.id, t.trigger_id, t.scheduled_for`,
    values: [runId, message],
  });
  const tick = skipped.rows[0];
  if (!tick) return;
  await client.query({
    name: 'fold-skipped-ticks',
    text: `with before as (
             select id, outcome from trigger_tick where trigger_id = $1 and last_scheduled_for < $3 and id <> $2
              order by last_scheduled_for desc limit 1),
           folded as (
             delete from trigger_tick t using before b where t.id = b.id and b.outcome = 'skipped_limit' returning t.scheduled_for, t.count)
           update trigger_tick t set scheduled_for = f.scheduled_for, count = t.count + f.count from folded f where t.id = $2`,
    values: [tick.trigger_id, tick.id, tick.scheduled_for],
  });
}

/** A trigger that fires once becomes inactive when it does. */
export async function switchOff(client: Client, triggerId: bigint, now: Date): Promise<void> {
  await client.query(`update trigger set status = 'inactive', updated_at = $2 where id = $1`, [triggerId, now]);
}
