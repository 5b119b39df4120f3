import type pg from 'pg';

/** One log line on its way into the store. */
export type NewLogLine = {
  readonly at: Date;
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly stream: 'stdout' | 'stderr' | 'logger' | 'system';
  readonly message: string;
  readonly pipelineRunId: number;
  readonly blockRunId: number;
  readonly blockUuid: string;
  readonly attempt: number;
};
/**
 * Appends log lines, in order, in one statement. `synchronous_commit` is off here: a crash of the database may lose the
 * last moment's log lines, never a status or an event.
 */
export async function appendLogLines(client: pg.ClientBase, lines: readonly NewLogLine[]): Promise<void> {
  await client.query({
    name: 'append-log-lines',
    text: `insert into log_line (at, level, stream, message, pipeline_run_id, block_run_id, block_uuid, attempt)
           select l.at, l.level::log_level, l.stream::log_stream, l.message, l.run, l.block, l.uuid, l.attempt
             from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::int[])
                  with ordinality l(at, level, stream, message, run, block, uuid, attempt, ord)
            order by l.ord`,
    values: [
      lines.map((line) => line.at),
      lines.map((line) => line.level),
      lines.map((line) => line.stream),
      // Postgres text can't hold NUL; what a block prints may.
      lines.map((line) => line.message.replaceAll('\0', '\u2400')),
      lines.map((line) => line.pipelineRunId),
      lines.map((line) => line.blockRunId),
      lines.map((line) => line.blockUuid),
      lines.map((line) => line.attempt),
    ],
  });
}
