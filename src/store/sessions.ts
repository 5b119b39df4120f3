import type pg from 'pg';

/** One session on the server. Its process id alone may be that of another session by now. */
export type Session = { readonly pid: number; readonly startedAt: string };

/** Which session a connection is. */
export async function sessionOf(client: pg.ClientBase): Promise<Session> {
  const result = await client.query<Session>(
    `select pid, backend_start::text as "startedAt" from pg_stat_activity where pid = pg_backend_pid()`,
  );
  return result.rows[0]!;
}

/** How long the server gets to end a session, in milliseconds. */
const endMs = 5000;

/**
 * Ends sessions whose connections broke, and waits until they are gone: until then the server may still be at work on their last
 * statement, and commit it. Rejects when one is still there after 5 s.
 */
export async function endSessions(client: pg.ClientBase, sessions: readonly Session[]): Promise<void> {
  const result = await client.query<{ gone: boolean }>(
    `select pg_terminate_backend(a.pid, $3) as gone from pg_stat_activity a
       join unnest($1::int[], $2::text[]) s(pid, started_at) on a.pid = s.pid and a.backend_start::text = s.started_at`,
    [sessions.map(({ pid }) => pid), sessions.map(({ startedAt }) => startedAt), endMs],
  );
  if (result.rows.some((row) => !row.gone)) throw new Error('A broken session is still at work on the server.');
}
