import type pg from 'pg';
import type { JsonObject } from '../domain/pipeline.ts';

/** The variables of a run, and its trigger's zone when that is not the default; null when there is no such run. */
export async function runContextOf(
  client: pg.ClientBase | pg.Pool,
  runId: number,
): Promise<{ readonly variables: JsonObject; readonly timezone: string | null } | null> {
  const result = await client.query<{ variables: JsonObject; timezone: string | null }>({
    name: 'run-context',
    text: `select r.variables, nullif(t.timezone, 'UTC') as timezone
             from pipeline_run r left join trigger t on t.id = r.trigger_id where r.id = $1`,
    values: [runId],
  });
  return result.rows[0] ?? null;
}
