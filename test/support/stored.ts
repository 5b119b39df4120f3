import type { Database } from '../../src/store/database.ts';

/** Everything that is stored of a run, without what differs between any two runs: ids become uuids. */
export async function storedOf(database: Database, run: bigint): Promise<unknown> {
  const rows = async (table: string, key: string, order: string) =>
    (await database.pool.query(`select * from ${table} where ${key} = $1 order by ${order}`, [run])).rows;
  const blocks = await rows('block_run', 'pipeline_run_id', 'position');
  const uuids = new Map<unknown, string>(blocks.map((row) => [row.id, row.block_uuid]));
  const itsOwn = ['id', 'xid', 'position', 'pipeline_run_id', 'run_id', 'root_run_id'];
  const plain = (row: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(row)
        .filter(([column]) => !itsOwn.includes(column))
        .map(([column, value]): [string, unknown] => {
          if (Array.isArray(value)) return [column, value.map((each) => uuids.get(each) ?? each)];
          return [column, column === 'block_run_id' ? uuids.get(value) : value];
        }),
    );
  return {
    run: (await rows('pipeline_run', 'id', 'id')).map(plain),
    blocks: blocks.map(plain),
    attempts: (await rows('block_attempt', 'pipeline_run_id', 'block_run_id, number')).map(plain),
    events: (await rows('run_event', 'pipeline_run_id', 'seq')).map(plain),
    ready: (await rows('ready', 'run_id', 'id')).map(plain),
  };
}
